# SPDX-License-Identifier: Apache-2.0
project = "rackspace-imagetasks release notes"
project_copyright = "The rackspace-imagetasks developers"
release = version = ""

extensions = ["openstackdocstheme", "reno.sphinxext"]
openstackdocs_repo_name = ""
openstackdocs_auto_name = False
openstackdocs_auto_version = False
html_theme = "openstackdocs"
html_theme_options = {"analytics_tracking_code": ""}
pygments_style = "native"

smartquotes = False  # they would turn the two hyphens of an option into a dash
