# SPDX-License-Identifier: Apache-2.0
from oslotest import base

from devcloud.environment import for_command, for_server
from devcloud.tests.unit.test_config import plan

OPENRC = {
    "OS_AUTH_URL": "https://keystone.example.com/v3",
    "OS_PASSWORD": "secret",
    "OS_REGION_NAME": "elsewhere",
    "OS_CLIENT_SECURE_FILE": "/home/me/secure.yaml",
    "OS_GLANCE_CONFIG_FILES": "/etc/glance/glance-api.conf",
}


class TestLogin(base.BaseTestCase):
    def for_command(self, caller):
        return for_command(caller, plan("/cloud"), {"alice", "bob"})

    def test_openrc(self):
        """Credentials for another cloud reach neither the command nor the services."""
        caller = OPENRC | {"OS_CLOUD": "production", "OS_LOG_CAPTURE": "1", "LANG": "C.UTF-8"}
        for found in (self.for_command(caller), for_server(caller)):
            self.assertEqual(set(), found.keys() & {"OS_CLOUD", *OPENRC})
            self.assertEqual(("1", "C.UTF-8"), (found["OS_LOG_CAPTURE"], found["LANG"]))

    def test_own_cloud(self):
        """The command uses this cloud, even if the caller had another; OS_CLOUD selects a user."""
        found = self.for_command({"OS_CLIENT_CONFIG_FILE": "/other", "OS_CLOUD": "bob"})
        self.assertEqual("/cloud/clouds.yaml", found["OS_CLIENT_CONFIG_FILE"])
        self.assertEqual(("/cloud", "bob"), (found["DEVCLOUD_ROOT"], found["OS_CLOUD"]))


class TestProxies(base.BaseTestCase):
    def test_loopback_is_direct(self):
        """No proxy is used for the cloud and for the hosts that the caller excludes."""
        for caller, expected in (
            ({}, "127.0.0.1,localhost"),
            ({"no_proxy": "a.example", "NO_PROXY": "b.example"},
             "a.example,b.example,127.0.0.1,localhost"),
            ({"no_proxy": "*"}, "*"),
        ):  # fmt: skip
            found = for_server(caller | {"http_proxy": "http://proxy.example:3128"})
            self.assertEqual((expected, expected), (found["no_proxy"], found["NO_PROXY"]))
            self.assertEqual("http://proxy.example:3128", found["http_proxy"])
