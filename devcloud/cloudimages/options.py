# SPDX-License-Identifier: Apache-2.0
"""The section [devcloud] of glance-api.conf."""

from oslo_config import cfg

_OPTIONS = (
    cfg.StrOpt("region"),
    cfg.StrOpt("faults_dir"),
    cfg.IntOpt("task_seconds"),
    cfg.IntOpt("segment_bytes"),
    cfg.FloatOpt("step_delay"),
    cfg.IntOpt("max_virtual_bytes"),
    cfg.IntOpt("max_physical_bytes"),
)
cfg.CONF.register_opts(_OPTIONS, group="devcloud")
OPTIONS = cfg.CONF.devcloud
