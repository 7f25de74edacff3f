# SPDX-License-Identifier: Apache-2.0
"""Translation of what `--help` says."""

import oslo_i18n

_ = oslo_i18n.TranslatorFactory(domain="rackspace_imagetasks").primary
