# SPDX-License-Identifier: Apache-2.0
import fixtures
import requests

from rackspace_imagetasks.http import _pools
from rackspace_imagetasks.http.client import Client
from rackspace_imagetasks.http.retry import RetryPolicy
from tests.unit.glance.service import ImageService
from tests.unit.http.test_client import ImageServiceCase
from tests.unit.objects import faults


class TestTricklingHeaders(ImageServiceCase):
    """Headers whose bytes come one by one, which no timeout between two bytes ends."""

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch(f"{_pools.__name__}._PATIENCE", 0.3))
        self.adapter = self.service.adapter()
        self.session = self.adapter.session.session

    def read(self):
        """Request something whose first response trickles, and assert that it is given up."""
        template = self.client()
        client = Client(
            self.adapter,
            template.words,
            retry=RetryPolicy(2, 5.0, 5.0),
            cancellation=template.cancellation,
        )
        self.service.log.clear()
        self.service.fault(faults.trickling_headers(0.05), "GET")
        client.request("GET", "v2/images", "list the images")
        self.assert_fired()
        self.assertEqual(2, len(self.service.log))

    def test_first_connection(self):
        """They are given up on a new connection."""
        self.read()

    def test_connection_that_exists(self):
        """They are given up if the session has a connection to the host, as after a login."""
        self.session.get(self.service.url)
        self.read()

    def test_proxy_used_before(self):
        """They are given up if they come through a proxy that is in use."""
        self.session.proxies = {"http": self.service.url}
        self.session.get(self.service.url)
        self.read()

    def test_proxy_used_later(self):
        """They are given up if they come through a proxy that was never used before."""
        self.client()
        self.session.proxies = {"http": self.service.url}
        self.read()


class TestPools(ImageServiceCase):
    def test_other_classes(self):
        """The connections of another kind of proxy, such as SOCKS, remain of their kind."""

        class SocksPool(_pools.HTTPConnectionPool):
            pass

        session = requests.Session()
        adapter = session.get_adapter("http://h")
        adapter.poolmanager.pool_classes_by_scheme = {"http": SocksPool}
        for _ in range(2):
            _pools.prepare_pools(session)
            (pool,) = adapter.poolmanager.pool_classes_by_scheme.values()
            self.assertEqual([SocksPool], list(pool.__bases__))

    def test_kept(self):
        """A second client of a session keeps the connections of the first one."""
        adapter = ImageService.adapter(self.service)
        manager = adapter.session.session.get_adapter(self.service.url).poolmanager
        _pools.prepare_pools(adapter.session.session)
        pool = manager.connection_from_url(self.service.url)
        _pools.prepare_pools(adapter.session.session)
        self.assertIs(pool, manager.connection_from_url(self.service.url))
