# SPDX-License-Identifier: Apache-2.0
"""Run a single transfer with this package or openstacksdk, without authentication.

`python -m benchmarks.engine ACTION ACCOUNT-ADDRESS CONTAINER/OBJECT FILE`
"""

import argparse
from typing import TYPE_CHECKING

from keystoneauth1 import session as ksa
from keystoneauth1 import token_endpoint
from keystoneauth1.adapter import Adapter

if TYPE_CHECKING:
    from rackspace_imagetasks.objects.data_transfer import DataTransfer
    from rackspace_imagetasks.objects.store import ObjectStore


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=_ACTIONS)
    parser.add_argument("address")
    parser.add_argument("object")
    parser.add_argument("file")
    parser.add_argument("--token", default="any")
    parser.add_argument("--ca", default=True)
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    token = token_endpoint.Token(arguments.address, arguments.token)
    session = ksa.Session(token, verify=arguments.ca)
    _ACTIONS[arguments.action](session, arguments)


def _upload(session: ksa.Session, arguments: argparse.Namespace) -> None:
    from rackspace_imagetasks.bytesource import FileSource  # noqa: PLC0415
    from rackspace_imagetasks.objects.names import ObjectName  # noqa: PLC0415
    from rackspace_imagetasks.objects.upload import upload  # noqa: PLC0415

    target = ObjectName.parse(arguments.object)
    with FileSource(arguments.file) as source:
        upload(_store(session), source, target, _transfer(arguments))


def _download(session: ksa.Session, arguments: argparse.Namespace) -> None:
    from rackspace_imagetasks.objects.download import download  # noqa: PLC0415
    from rackspace_imagetasks.objects.names import ObjectName  # noqa: PLC0415

    source = ObjectName.parse(arguments.object)
    download(_store(session), source, arguments.file, _transfer(arguments))


def _sdk_upload(session: ksa.Session, arguments: argparse.Namespace) -> None:
    from openstack.connection import Connection  # noqa: PLC0415

    cloud = Connection(session=session, object_store_endpoint_override=arguments.address)
    container, name = arguments.object.split("/", 1)
    cloud.create_object(container, name, arguments.file, segment_size=128 << 20, use_slo=True)


def _copy(session: ksa.Session, arguments: argparse.Namespace) -> None:
    """Copy to another account; FILE is its URL."""
    from rackspace_imagetasks.objects.copy import copy  # noqa: PLC0415
    from rackspace_imagetasks.objects.names import ObjectName  # noqa: PLC0415

    there = ksa.Session(token_endpoint.Token(arguments.file, arguments.token))
    name = ObjectName.parse(arguments.object)
    copy(_store(session), name, _store(there), name, _transfer(arguments))


def _transfer(arguments: argparse.Namespace) -> "DataTransfer":
    from rackspace_imagetasks.objects.data_transfer import DataTransfer, TransferOptions  # noqa: PLC0415

    return DataTransfer(TransferOptions(threads=arguments.threads))


def _store(session: ksa.Session) -> "ObjectStore":
    from rackspace_imagetasks.objects.store import ObjectStore  # noqa: PLC0415

    return ObjectStore(Adapter(session, service_type="object-store"))


_ACTIONS = {"copy": _copy, "upload": _upload, "download": _download, "sdk-upload": _sdk_upload}

if __name__ == "__main__":
    main()
