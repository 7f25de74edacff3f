# SPDX-License-Identifier: Apache-2.0
from devcloud.accounts import OPERATOR, TASK_ADMIN
from devcloud.config.authtoken import authtoken, login
from devcloud.plan import HOST, Plan, Site, endpoint_id


def write(plan: Plan, site: Site, region: str) -> None:
    """Write configuration, policies and property protections of one region, and create stores."""
    home = plan.glance_dir(region)
    for store in ("images", "staging", "tasks"):
        (home / store).mkdir(parents=True)
    own = _with_tasks(plan, region) if site.has_tasks else _standard(plan, site, region)
    (home / "glance-api.conf").write_text(_common(plan, site, region) + own)
    (home / "glance-api-paste.ini").write_text(_paste(plan, site, region))
    (home / "property-protections.conf").write_text(_PROTECTIONS)
    (home / "policy.yaml").write_text(_POLICY if site.has_tasks else "{}\n")


_POLICY = f"""\
"tasks_api_access": "role:admin or role:{TASK_ADMIN} or role:cloudImages:admin"
"""

# The first match applies: only the operator can change licence properties.
_PROTECTIONS = r"""[^com\.rackspace__1__.*]
create = admin
read = @
update = admin
delete = admin
[.*]
create = @
read = @
update = @
delete = @
"""


def _common(plan: Plan, site: Site, region: str) -> str:
    home = plan.glance_dir(region)
    return f"""\
[DEFAULT]
log_file = {home}/glance.log
use_stderr = false
bind_host = {HOST}
bind_port = {plan.port(region, "glance")}
public_endpoint = {plan.image_url(region)}
worker_self_reference_url = {plan.image_url(region)}
enabled_backends = fs:file
[glance_store]
default_backend = fs
[fs]
filesystem_store_datadir = {home}/images
filesystem_store_chunk_size = 1048576
[os_glance_staging_store]
filesystem_store_datadir = {home}/staging
[os_glance_tasks_store]
filesystem_store_datadir = {home}/tasks
[database]
connection = sqlite:///{home}/glance.db?timeout=60
sqlite_synchronous = false
[paste_deploy]
flavor = keystone
config_file = {home}/glance-api-paste.ini
[keystone_authtoken]
region_name = {region}
{authtoken(plan, site, "glance", "image")}
[oslo_policy]
policy_file = {home}/policy.yaml
[wsgi]
task_pool_threads = 8
[oslo_messaging_notifications]
driver = noop
"""


def _with_tasks(plan: Plan, region: str) -> str:
    home = plan.glance_dir(region)
    return f"""\
[DEFAULT]
enabled_import_methods = [glance-direct,web-download]
property_protection_file = {home}/property-protections.conf
[devcloud]
region = {region}
faults_dir = {plan.faults_dir(region, "glance")}
task_seconds = {plan.settings.task_seconds}
segment_bytes = {plan.settings.segment_bytes}
step_delay = {plan.settings.step_delay}
max_virtual_bytes = {plan.settings.max_virtual_bytes}
max_physical_bytes = {plan.settings.max_physical_bytes}
"""


def _standard(plan: Plan, site: Site, region: str) -> str:
    """Return the options of Glance without tasks: quotas, and web-download from its own Swift."""
    return f"""\
[DEFAULT]
enabled_import_methods = [{plan.settings.import_methods}]
use_keystone_limits = true
[oslo_limit]
# Keystone takes six times as long to validate a system-scoped token, which glance would need.
{login(plan, site, OPERATOR)}
endpoint_id = {endpoint_id("image", region, "public")}
[import_filtering_opts]
allowed_hosts = [{HOST}]
allowed_ports = [{plan.port(region, "proxy")}]
"""


def _paste(plan: Plan, site: Site, region: str) -> str:
    api = "devcloud.cloudimages.api" if site.has_tasks else "glance.api.v2.router"
    return f"""\
[composite:glance-api-keystone]
paste.composite_factory = glance.api:root_app_factory
/: api
/healthcheck: healthcheck
[composite:api]
paste.composite_factory = glance.api:pipeline_factory
keystone = accesslog faults http_proxy_to_wsgi versionnegotiation authtoken context rootapp
[composite:rootapp]
paste.composite_factory = glance.api:root_app_factory
/: apiversions
/v2: apiv2app
[app:apiversions]
paste.app_factory = glance.api.versions:create_resource
[app:apiv2app]
paste.app_factory = {api}:API.factory
[app:healthcheck]
paste.app_factory = oslo_middleware:Healthcheck.app_factory
[filter:accesslog]
paste.filter_factory = devcloud.middleware.accesslog:filter_factory
path = {plan.access_log(region, "glance")}
[filter:faults]
paste.filter_factory = devcloud.middleware.faults:filter_factory
directory = {plan.faults_dir(region, "glance")}
[filter:versionnegotiation]
paste.filter_factory = glance.api.middleware.version_negotiation:VersionNegotiationFilter.factory
[filter:context]
paste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
delay_auth_decision = true
[filter:http_proxy_to_wsgi]
paste.filter_factory = oslo_middleware:HTTPProxyToWSGI.factory
"""
