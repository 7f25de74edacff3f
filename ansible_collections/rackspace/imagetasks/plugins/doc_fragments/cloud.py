# SPDX-License-Identifier: Apache-2.0
"""Options that all modules of the collection have."""

from __future__ import annotations


class ModuleDocFragment:
    """The cloud to connect to, how long to wait, and whether to wait."""

    DOCUMENTATION = r"""
options:
  cloud:
    description:
      - Name of the cloud in C(clouds.yaml), or a mapping with the settings that an entry in
        C(clouds.yaml) has.
      - With a mapping, neither C(clouds.yaml) nor environment variables are read. The values of
        C(auth) and other secrets in it are not shown. Other options of the module take precedence
        over the mapping.
      - If neither O(cloud) nor O(auth) is set, the C(OS_*) environment variables of the module are
        used.
    type: raw
  region_name:
    description:
      - Name of the region.
    type: str
  auth:
    description:
      - Authentication information, such as C(auth_url), C(username), C(password) and
        C(project_name). Which values are needed depends on O(auth_type).
    type: dict
  auth_type:
    description:
      - Authentication plugin of keystoneauth to use.
    type: str
  interface:
    description:
      - Endpoint interface to get from the service catalog.
    type: str
    choices: [public, internal, admin]
    aliases: [endpoint_type]
  validate_certs:
    description:
      - Whether to verify the TLS certificates of the services.
    type: bool
    aliases: [verify]
  ca_cert:
    description:
      - Path of a CA certificate bundle that is used for verification.
    type: str
    aliases: [cacert]
  client_cert:
    description:
      - Path of a client certificate.
    type: str
    aliases: [cert]
  client_key:
    description:
      - Path of the key of the client certificate.
    type: str
    aliases: [key]
  api_timeout:
    description:
      - Number of seconds to wait for a response of a service.
    type: int
requirements:
  - rackspace-imagetasks
attributes:
  check_mode:
    support: full
    description: Can run in check mode and return the expected result without changing anything.
  diff_mode:
    support: full
    description: Returns details on what has changed, or is expected to change in check mode.
notes:
  - The module needs the Python package C(rackspace-imagetasks) where it runs. With
    C(connection=local), set C(ansible_python_interpreter) to C({{ ansible_playbook_python }}).
"""

    TIMEOUT = r"""
options:
  timeout:
    description:
      - Maximum number of seconds to wait for each task of the Image service. By default, there is
        no limit. A task that has timed out continues in the cloud, and the same Ansible task
        follows it if it is repeated.
    type: float
"""

    WAIT = r"""
options:
  wait:
    description:
      - Whether to wait until the image is complete.
    type: bool
    default: true
"""
