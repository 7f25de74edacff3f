# SPDX-License-Identifier: Apache-2.0
"""Move virtual machine images into, out of and between OpenStack clouds.

The names in `__all__` are the public interface; everything else can change. They are loaded when
they are first used: the `openstack` client imports this package on every call.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rackspace_imagetasks.batch import Outcome, run_each
    from rackspace_imagetasks.bytesource import ByteSource, BytesSource, Extent, FileSource
    from rackspace_imagetasks.events import Event, EventKind, Job, JobKind, Place
    from rackspace_imagetasks.exceptions import (
        AccessDenied,
        Cancelled,
        ImageTasksError,
        IntegrityError,
        NotFound,
        QuotaExceeded,
        Refused,
        ServiceError,
        SourceChanged,
        SourceError,
        TargetError,
        TaskError,
        TaskFailed,
        TaskTimeout,
        TransferError,
        VhdError,
    )
    from rackspace_imagetasks.formats.qcow2.layout import VirtualQcow2
    from rackspace_imagetasks.formats.vhd.checks import check as check_vhd
    from rackspace_imagetasks.formats.vhd.layout import VirtualVhd
    from rackspace_imagetasks.formats.vhd.reader import open_disk as open_vhd
    from rackspace_imagetasks.formats.vhd.report import Finding, Report, Severity, VhdFacts
    from rackspace_imagetasks.formats.writer import write_file
    from rackspace_imagetasks.glance.settings import ImageSettings
    from rackspace_imagetasks.glance.task import Task
    from rackspace_imagetasks.guest.facts import DiskFacts, SystemFacts, VolumeFacts
    from rackspace_imagetasks.guest.fence import InspectionFailed
    from rackspace_imagetasks.guest.readiness import (
        DiskFinding,
        FindingSeverity,
        Readiness,
        judge_readiness,
    )
    from rackspace_imagetasks.imagetasks import ImageTasks
    from rackspace_imagetasks.jobs.cleanup import CleanPlan, CleanResult
    from rackspace_imagetasks.jobs.conversions import ConversionPlan
    from rackspace_imagetasks.jobs.exports import ExportPlan, ExportResult
    from rackspace_imagetasks.jobs.image_saves import ImageSavePlan
    from rackspace_imagetasks.jobs.imports import ImportPlan, ImportResult
    from rackspace_imagetasks.jobs.inspections import inspect_disk
    from rackspace_imagetasks.jobs.options import (
        CopyOptions,
        DiskOptions,
        PropertyOptions,
        SaveOptions,
        StagingOptions,
    )
    from rackspace_imagetasks.jobs.saves import SavePlan, SaveResult
    from rackspace_imagetasks.jobs.transfer_batch import TransferBatch
    from rackspace_imagetasks.jobs.transfer_run import TransferResult
    from rackspace_imagetasks.jobs.transfers import TransferPlan
    from rackspace_imagetasks.jobs.uploads import UploadPlan
    from rackspace_imagetasks.messages import Hint, Message
    from rackspace_imagetasks.objects.connections import Connections
    from rackspace_imagetasks.objects.copy import copy as copy_object
    from rackspace_imagetasks.objects.data_transfer import DataTransfer, TransferOptions
    from rackspace_imagetasks.objects.deletion import delete as delete_object
    from rackspace_imagetasks.objects.download import Downloaded
    from rackspace_imagetasks.objects.download import download as download_object
    from rackspace_imagetasks.objects.download import download_stream as stream_object
    from rackspace_imagetasks.objects.meter import RateLimit
    from rackspace_imagetasks.objects.names import ObjectName
    from rackspace_imagetasks.objects.orphans import Orphan
    from rackspace_imagetasks.objects.source import ObjectSource
    from rackspace_imagetasks.objects.store import ObjectStore
    from rackspace_imagetasks.objects.target import Written
    from rackspace_imagetasks.objects.upload import upload as upload_object
    from rackspace_imagetasks.profile import FLEX, GLANCE, RACKSPACE, ProviderProfile
    from rackspace_imagetasks.progress import (
        Phase,
        PhaseKind,
        Progress,
        SilentPhase,
        SilentProgress,
    )
    from rackspace_imagetasks.sources.convert import Conversion, convert, view_as_vhd
    from rackspace_imagetasks.sources.disk import DiskSource, open_source

__all__ = [
    "FLEX",
    "GLANCE",
    "RACKSPACE",
    "AccessDenied",
    "ByteSource",
    "BytesSource",
    "Cancelled",
    "CleanPlan",
    "CleanResult",
    "Connections",
    "Conversion",
    "ConversionPlan",
    "CopyOptions",
    "DataTransfer",
    "DiskFacts",
    "DiskFinding",
    "DiskOptions",
    "DiskSource",
    "Downloaded",
    "Event",
    "EventKind",
    "ExportPlan",
    "ExportResult",
    "Extent",
    "FileSource",
    "Finding",
    "FindingSeverity",
    "Hint",
    "ImageSavePlan",
    "ImageSettings",
    "ImageTasks",
    "ImageTasksError",
    "ImportPlan",
    "ImportResult",
    "InspectionFailed",
    "IntegrityError",
    "Job",
    "JobKind",
    "Message",
    "NotFound",
    "ObjectName",
    "ObjectSource",
    "ObjectStore",
    "Orphan",
    "Outcome",
    "Phase",
    "PhaseKind",
    "Place",
    "Progress",
    "PropertyOptions",
    "ProviderProfile",
    "QuotaExceeded",
    "RateLimit",
    "Readiness",
    "Refused",
    "Report",
    "SaveOptions",
    "SavePlan",
    "SaveResult",
    "ServiceError",
    "Severity",
    "SilentPhase",
    "SilentProgress",
    "SourceChanged",
    "SourceError",
    "StagingOptions",
    "SystemFacts",
    "TargetError",
    "Task",
    "TaskError",
    "TaskFailed",
    "TaskTimeout",
    "TransferBatch",
    "TransferError",
    "TransferOptions",
    "TransferPlan",
    "TransferResult",
    "UploadPlan",
    "VhdError",
    "VhdFacts",
    "VirtualQcow2",
    "VirtualVhd",
    "VolumeFacts",
    "Written",
    "check_vhd",
    "convert",
    "copy_object",
    "delete_object",
    "download_object",
    "inspect_disk",
    "judge_readiness",
    "open_source",
    "open_vhd",
    "run_each",
    "stream_object",
    "upload_object",
    "view_as_vhd",
    "write_file",
]

# Where each name is defined; `module:name` if it has another name there.
_HOMES = {
    # The client
    "ImageTasks": "imagetasks",
    # Plans and results
    "CleanPlan": "jobs.cleanup",
    "CleanResult": "jobs.cleanup",
    "ExportPlan": "jobs.exports",
    "ExportResult": "jobs.exports",
    "ImageSavePlan": "jobs.image_saves",
    "ImportPlan": "jobs.imports",
    "ImportResult": "jobs.imports",
    "Orphan": "objects.orphans",
    "SavePlan": "jobs.saves",
    "SaveResult": "jobs.saves",
    "Task": "glance.task",
    "ConversionPlan": "jobs.conversions",
    "TransferPlan": "jobs.transfers",
    "UploadPlan": "jobs.uploads",
    "TransferBatch": "jobs.transfer_batch",
    "TransferResult": "jobs.transfer_run",
    # Options
    "CopyOptions": "jobs.options",
    "DiskOptions": "jobs.options",
    "ImageSettings": "glance.settings",
    "ObjectName": "objects.names",
    "RateLimit": "objects.meter",
    "PropertyOptions": "jobs.options",
    "SaveOptions": "jobs.options",
    "StagingOptions": "jobs.options",
    "TransferOptions": "objects.data_transfer",
    # Batches, progress, events, messages
    "Event": "events",
    "EventKind": "events",
    "Job": "events",
    "JobKind": "events",
    "Place": "events",
    "PhaseKind": "progress",
    "Hint": "messages",
    "Message": "messages",
    "Outcome": "batch",
    "Phase": "progress",
    "Progress": "progress",
    "SilentPhase": "progress",
    "SilentProgress": "progress",
    "run_each": "batch",
    # Provider profiles
    "ProviderProfile": "profile",
    "FLEX": "profile",
    "GLANCE": "profile",
    "RACKSPACE": "profile",
    # Disks in files: VHD, qcow2, and others
    "ByteSource": "bytesource",
    "BytesSource": "bytesource",
    "Conversion": "sources.convert",
    "DiskSource": "sources.disk",
    "Extent": "bytesource",
    "FileSource": "bytesource",
    "Finding": "formats.vhd.report",
    "Report": "formats.vhd.report",
    "Severity": "formats.vhd.report",
    "VhdFacts": "formats.vhd.report",
    "VirtualQcow2": "formats.qcow2.layout",
    "VirtualVhd": "formats.vhd.layout",
    "check_vhd": "formats.vhd.checks:check",
    "convert": "sources.convert",
    "open_source": "sources.disk",
    "open_vhd": "formats.vhd.reader:open_disk",
    "view_as_vhd": "sources.convert",
    "write_file": "formats.writer",
    # What is inside a disk
    "DiskFacts": "guest.facts",
    "DiskFinding": "guest.readiness",
    "FindingSeverity": "guest.readiness",
    "Readiness": "guest.readiness",
    "SystemFacts": "guest.facts",
    "VolumeFacts": "guest.facts",
    "inspect_disk": "jobs.inspections",
    "judge_readiness": "guest.readiness",
    # Objects
    "Downloaded": "objects.download",
    "ObjectSource": "objects.source",
    "ObjectStore": "objects.store",
    "DataTransfer": "objects.data_transfer",
    "Written": "objects.target",
    "Connections": "objects.connections",
    "copy_object": "objects.copy:copy",
    "delete_object": "objects.deletion:delete",
    "download_object": "objects.download:download",
    "stream_object": "objects.download:download_stream",
    "upload_object": "objects.upload:upload",
    # Errors
    "AccessDenied": "exceptions",
    "Cancelled": "exceptions",
    "ImageTasksError": "exceptions",
    "InspectionFailed": "guest.fence",
    "IntegrityError": "exceptions",
    "NotFound": "exceptions",
    "QuotaExceeded": "exceptions",
    "Refused": "exceptions",
    "ServiceError": "exceptions",
    "SourceChanged": "exceptions",
    "SourceError": "exceptions",
    "TargetError": "exceptions",
    "TaskError": "exceptions",
    "TaskFailed": "exceptions",
    "TaskTimeout": "exceptions",
    "TransferError": "exceptions",
    "VhdError": "exceptions",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(importlib.import_module(f"{__name__}.{module}"), attribute or name)


def __dir__() -> list[str]:
    return sorted(__all__)
