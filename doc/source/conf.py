# SPDX-License-Identifier: Apache-2.0
import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # the development cloud is not installed
sys.path.insert(0, str(Path(__file__).parents[1] / "extensions"))

project = "rackspace-imagetasks"
project_copyright = "The rackspace-imagetasks developers"
release = version = version_of(project)

extensions = ["openstackdocstheme", "sphinx.ext.autodoc", "command_reference"]
openstackdocs_repo_name = ""
openstackdocs_auto_name = False
openstackdocs_auto_version = False
html_theme = "openstackdocs"
html_theme_options = {"analytics_tracking_code": "", "display_global_toc_section": True}
pygments_style = "native"

smartquotes = False  # they would turn the two hyphens of an option into a dash
default_role = "literal"  # as docstrings use single backquotes
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"

man_pages = [
    (
        "cli/index",
        "openstack-rackspace-imagetasks",
        "move virtual machine images in and out of a cloud",
        "The rackspace-imagetasks developers",
        1,
    ),
]
