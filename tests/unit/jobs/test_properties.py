# SPDX-License-Identifier: Apache-2.0
import dataclasses

from oslotest import base

from rackspace_imagetasks.jobs import marks
from rackspace_imagetasks.jobs._properties import settable, settable_properties
from rackspace_imagetasks.jobs.options import PropertyOptions
from rackspace_imagetasks.profile import FLEX, GLANCE, RACKSPACE
from tests.unit.test_policy import WEB


def with_properties(**properties):
    return dataclasses.replace(WEB, properties=properties)


class PropertiesTest(base.BaseTestCase):
    def test_chosen(self):
        """What the user has chosen is set instead of what the image has or its new cloud needs."""
        image = with_properties(vm_mode="hvm", team="web")
        chosen = {"hw_disk_bus": "scsi", "team": "db", "vm_mode": "xen"}
        options = PropertyOptions(chosen=chosen)
        settings = settable(image, RACKSPACE, GLANCE, options)
        arriving = {"architecture": "x86_64", "hw_vif_model": "virtio"}
        self.assertEqual(chosen | arriving, settings.properties)

    def test_what_travels(self):
        """Neither the providers' properties, nor Glance's own, nor the marks of transfers."""
        fixed = {"com.rackspace__1__x", "os_glance_x", *marks.MARKS}
        image = dataclasses.replace(
            WEB, properties=dict.fromkeys(fixed | {"mine", "os_distro"}, "1")
        )
        target = dataclasses.replace(RACKSPACE, protected_prefix="org.other__")
        moved = settable_properties(image, RACKSPACE, target)
        self.assertEqual({"mine", "os_distro"}, moved.keys())
        image.properties["org.other__y"] = "1"
        self.assertEqual(moved, settable_properties(image, RACKSPACE, target))

    def test_from_xen_to_kvm(self):
        """Xen's properties stay behind, and the image gets what a KVM guest needs."""
        xen = {
            "org.openstack__1__os_distro": "org.debian",
            "xenapi_use_agent": "False",
            "vm_mode": "hvm",
            "instance_uuid": "1",
        }
        image = with_properties(**xen, os_distro="debian", architecture="aarch64")
        self.assertEqual(
            {
                "os_distro": "debian",
                "architecture": "aarch64",
                "hw_disk_bus": "virtio",
                "hw_vif_model": "virtio",
                "hw_machine_type": "q35",
            },
            settable_properties(image, RACKSPACE, FLEX),
        )

    def test_from_kvm_to_xen(self):
        """The virtual hardware of KVM stays behind, and the image is set to boot as HVM."""
        image = with_properties(
            hw_disk_bus="virtio",
            hw_qemu_guest_agent="yes",
            hypervisor_type="qemu",
            os_require_quiesce="yes",
            team="web",
        )
        self.assertEqual(
            {
                "team": "web",
                "vm_mode": "hvm",
                "img_config_drive": "mandatory",
                "xenapi_use_agent": "False",
            },
            settable_properties(image, GLANCE, RACKSPACE),
        )

    def test_same_hypervisor(self):
        """Between clouds with the same hypervisor, all properties are kept and none is added."""
        for profile in (RACKSPACE, GLANCE):
            properties = {"hw_disk_bus": "ide", "vm_mode": "xen"}
            image = with_properties(**properties)
            self.assertEqual(properties, settable_properties(image, profile, profile))

    def test_not_adapted(self):
        """On request, the properties stay as they are, except those that nobody can set."""
        image = with_properties(vm_mode="xen", os_glance_x="1")
        kept = settable_properties(image, RACKSPACE, FLEX, adapt=False)
        self.assertEqual({"vm_mode": "xen"}, kept)
