"""DW6xx: configuration, data, checkpoints, the training script."""

from __future__ import annotations

from dualwatch.events import Circumstance, Severity
from dualwatch.rules.catalog.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="DW601",
        name="risky-loader-settings",
        severity=Severity.INFO,
        means="A loader has settings that are known to deadlock: several workers that are "
        "persistent or spawned, and two images per sample.",
        matters="The training can hang without any message, even after epochs that went well.",
        remedy="Set num_workers=0 and persistent_workers=False: loading is slower and cannot "
        "deadlock. Or keep the settings and use dualwatch train, which answers a hang.",
        example="DW601 risky-loader-settings (likely)\n"
        "  train loader: num_workers=2, persistent_workers=True, images in pairs",
    ),
    Code(
        code="DW602",
        name="config-does-not-load",
        severity=Severity.CRITICAL,
        means="The configuration is missing, has an error, or does not finish loading.",
        matters="No training can start with it, and dualwatch train does not start one.",
        remedy="Correct the error that the evidence quotes.",
        example="DW602 config-does-not-load (certain)\n"
        "  the configuration c.py does not load: SyntaxError: invalid syntax in line 12",
        explains=("DW606",),
    ),
    Code(
        code="DW603",
        name="data-missing",
        severity=Severity.CRITICAL,
        means="A folder or an annotation file that the configuration names does not exist.",
        matters="The training would fail when it builds its datasets; dualwatch train does not "
        "start it.",
        remedy="Correct the path in the configuration, or pass it with --cfg-options.",
        example="DW603 data-missing (certain)\n  data/LLVIP does not exist (dataset.data_root)",
        explains=("DW306", "DW307", "DW606"),
    ),
    Code(
        code="DW604",
        name="pair-missing",
        severity=Severity.ERROR,
        means="An image has no partner in the other modality.",
        matters="A dataset that meets it fails, or silently falls back to one image.",
        remedy="Complete the two folders that the evidence names, or remove the image from the "
        "annotations.",
        example="DW604 pair-missing (likely)\n"
        "  2 of 12025 images have no partner in the other modality\n"
        "  without a partner: data/LLVIP/visible/train/010412.jpg\n"
        "  without a partner: data/LLVIP/infrared/train/100833.jpg",
        explains=("DW306", "DW211"),
    ),
    Code(
        code="DW605",
        name="resume-blocked",
        severity=Severity.CRITICAL,
        means="A file of weights cannot be loaded: it is truncated, is something else, does not "
        "exist, or torch refuses a class in it.",
        matters="The training cannot start or continue from it.",
        remedy="Resume from an earlier checkpoint. dualwatch train does so, twice at most.",
        remedies={
            Circumstance.TRUNCATED: "The file is incomplete or empty. Delete it and download it "
            "again (also below ~/.cache/torch/hub/checkpoints); a checkpoint of this training that "
            "broke off while it was saved: resume from the one before it. dualwatch train does so.",
            Circumstance.WEB_PAGE: "The file is a web page or another text, not weights: a "
            "download "
            "that needed a login, or a link to a page. Delete it and download the file itself.",
            Circumstance.LFS_POINTER: "The file is a Git LFS pointer, not weights: run git lfs "
            "pull in that repository.",
            Circumstance.NOT_A_CHECKPOINT: "The file is not a checkpoint of torch, or is damaged: "
            "download it again, or correct the path.",
            Circumstance.NEWER_FORMAT: "The file was saved by a newer torch: update torch, or save "
            "it there with _use_new_zipfile_serialization=False.",
            Circumstance.NO_SUCH_CHECKPOINT: "Correct the path of the weights; nothing exists "
            "there on this machine.",
            Circumstance.REFUSED_CLASS: "Since torch 2.6 a checkpoint may hold weights alone: "
            "for a "
            "file that you trust, TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1.",
        },
        example="DW605 resume-blocked (certain)\n"
        "  _pickle.UnpicklingError: Weights only load failed. This file can still be loaded\n"
        "  the training ended with exit code 1",
        explains=("DW606",),
    ),
    Code(
        code="DW606",
        name="training-script-error",
        severity=Severity.CRITICAL,
        means="The training ended with an error of its own, which is quoted.",
        matters="This is not a hang. An error of the code would come again.",
        remedy="Correct the quoted error.",
        remedies={
            Circumstance.UNUSED_PARAMETERS: "Some parameters take no part in the loss of an "
            "iteration: set find_unused_parameters=True (DistributedDataParallel; "
            "TORCH_DISTRIBUTED_DEBUG=DETAIL names them), or use or freeze all of them.",
            Circumstance.DUPLICATE_OPENMP: "Two copies of the OpenMP runtime are installed, mostly "
            "by conda and by pip: remove one (conda install nomkl, or all packages from one of "
            "them). KMP_DUPLICATE_LIB_OK=TRUE hides it.",
            Circumstance.NATIVE_CRASH: "Native code failed, not the script. PYTHONFAULTHANDLER=1 "
            "prints the line of Python that called it. Look for an extension that was built for "
            "another torch, for OpenCV, and for CUDA_LAUNCH_BLOCKING=1 if a GPU is used.",
            Circumstance.DEVICE_ASSERT: "An assertion failed on the GPU, and Python reports it at "
            "a later line. Run once with CUDA_LAUNCH_BLOCKING=1, which shows the true line; an "
            "index or a label out of range is the most frequent cause.",
            Circumstance.NON_FINITE: "The numbers were not finite any more before this error. "
            "Resume from a checkpoint before that with a lower learning rate, warm-up, or gradient "
            "clipping.",
            Circumstance.INPUT_OUTPUT: "The storage failed, not the script: look at dmesg and at "
            "the network file system, and start again from the newest checkpoint.",
            Circumstance.SILENT_EXIT: "The error itself was not seen: look at what the training "
            "printed last, and at the logs of the other ranks.",
            Circumstance.UNSEEN_END: "Look at how it was started: at the shell, the scheduler, "
            "the kernel log (dmesg) and the time of the last line.",
        },
        example="DW606 training-script-error (certain)\n"
        "  ValueError: num_classes does not match (heads.py:41 in __init__)\n"
        "  the training ended with exit code 1\n"
        '  File "heads.py", line 41, in __init__\n'
        '    raise ValueError("num_classes does not match")',
    ),
    Code(
        code="DW607",
        name="code-not-found",
        severity=Severity.CRITICAL,
        means="A module, a registered class or a file of the training's code is not found, or a "
        "version does not fit.",
        matters="The environment is at fault: the same script runs where it is complete.",
        remedy="Install what is missing into the Python that runs the training.",
        remedies={
            Circumstance.NO_MODULE: "Install the module into the Python that runs the training, or "
            "put its folder on PYTHONPATH (python -c 'import sys; print(sys.executable, sys.path)' "
            "shows both).",
            Circumstance.NOT_REGISTERED: "The class is not registered: its module was not imported "
            "(custom_imports, or the package of its scope is not installed), its name is misspelt, "
            "or this version does not have it.",
            Circumstance.EXTENSION: "The compiled extension does not fit this torch, or is "
            "missing: "
            "reinstall its package for the installed torch and CUDA version, or build it from "
            "source.",
            Circumstance.VERSION: "The installed versions do not fit each other: install the "
            "version that the error asks for.",
            Circumstance.NO_SCRIPT: "Correct the path of the script or of the program, or the "
            "folder from which it is started; activate the environment first.",
            Circumstance.SYSTEM_LIBRARY: "A library of the system is missing or too old: install "
            "it (libGL.so.1: apt install libgl1, or use opencv-python-headless).",
        },
        example="DW607 code-not-found (certain)\n"
        "  ModuleNotFoundError: No module named 'terminaltables'\n"
        "  the training ended with exit code 1",
        explains=("DW306", "DW606"),
    ),
    Code(
        code="DW608",
        name="address-in-use",
        severity=Severity.CRITICAL,
        means="The port of a distributed start is taken.",
        matters="Another training, or a process that an earlier one left, listens there.",
        remedy="Choose another port (torchrun --master_port 29511, or PORT=29511 for a launch "
        "script), or end the process that holds it: ss -ltnp | grep 29500.",
        example="DW608 address-in-use (certain)\n"
        "  RuntimeError: The server socket has failed to bind to [::]:29500 (errno: 98)\n"
        "  the training ended with exit code 1",
        explains=("DW606",),
    ),
    Code(
        code="DW609",
        name="ended-from-outside",
        severity=Severity.CRITICAL,
        means="The training was ended from outside: by Ctrl-C, a signal, the scheduler, or by "
        "dualwatch itself. The evidence names who ended it, and why, where that is known.",
        matters="The training has no error that this end comes from, and it is not complete.",
        remedy="Resume from the newest checkpoint. If you did not end it, find out who did: the "
        "time limit or preemption of the scheduler, another user, a script.",
        remedies={
            Circumstance.SIGKILL: "Resume from its newest checkpoint. If it was not ended on "
            "purpose, look for "
            "an out-of-memory kill: dmesg -T | grep -i 'killed process'.",
            Circumstance.HANGUP: "Start it so that it outlives its terminal: tmux, screen, or "
            "nohup setsid; then resume from its newest checkpoint.",
            Circumstance.TIME_LIMIT: "Resume from its newest checkpoint, with a longer time limit "
            "(sbatch --time) or in several jobs.",
            Circumstance.PREEMPTED: "Resume from its newest checkpoint; sbatch --requeue makes "
            "Slurm start it again.",
            Circumstance.NODE_FAILED: "Resume from its newest checkpoint on another node.",
            Circumstance.RUN_FOLDER_REMOVED: "The folder of the running training was removed or "
            "renamed. Restore it, or start again in a new --work-dir; two trainings must not share "
            "one.",
        },
        example="DW609 ended-from-outside (certain)\n"
        "  the time limit of the job was reached\n"
        "  slurmstepd: error: *** JOB 4711 ON node1 CANCELLED AT 2026-05-02T10:01:05 DUE TO TIME "
        "LIMIT ***",
        explains=("DW606",),
    ),
    Code(
        code="DW610",
        name="config-cannot-train",
        severity=Severity.CRITICAL,
        means="The configuration loads, and no training can be made of it: sections that a "
        "training needs are absent, it is written for another version, or a part refuses its "
        "settings.",
        matters="The training would end before its first iteration.",
        remedy="Correct the sections that the evidence names.",
        example="DW610 config-cannot-train (certain)\n"
        "  RetinaNet.__init__() got an unexpected keyword argument 'rpn_head' (model.rpn_head)",
        explains=("DW606",),
    ),
    Code(
        code="DW611",
        name="config-disagrees",
        severity=Severity.ERROR,
        means="Parts of the configuration contradict each other or the annotations: numbers or "
        "names of classes differ, or a schedule is never reached.",
        matters="It trains something else than was meant, or fails at the first label or "
        "validation that meets the difference.",
        remedy="Make the settings that the evidence names agree.",
        example="DW611 config-disagrees (certain)\n"
        "  model.bbox_head.num_classes=80, and the training data has 1 class (person)",
        explains=("DW606",),
    ),
)
