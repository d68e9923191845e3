"""DW1xx: the training makes no progress, and where it hangs."""

from __future__ import annotations

from dualwatch.events import Circumstance, Severity
from dualwatch.rules.catalog.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="DW101",
        name="stalled-startup",
        severity=Severity.ERROR,
        means="No training iteration came within the stall timeout after the start, and the "
        "process tree was idle: no CPU, no I/O. Or it was proven sooner that none will come.",
        matters="A training that hangs while it builds datasets or starts workers never begins.",
        remedy="dualwatch train replaces the loader in the running training if the loader is what "
        "hangs; otherwise it reruns without loader workers and with half the batch. If that stalls "
        "too, the captured stacks show where the main process hangs.",
        example="DW101 stalled-startup (certain)\n"
        "  no first training iteration since 02:14:07: 300 s, limit 300 s\n"
        "  phase building-data\n"
        "  last line: hooks listed\n"
        "  tree idle for 300 s, CPU now 0 % of a core, I/O 0 B/s: main 4711 sleeping",
        explains=("DW609",),
    ),
    Code(
        code="DW102",
        name="stalled-training",
        severity=Severity.ERROR,
        means="Training iterations came, then none within the stall timeout, while the process "
        "tree was idle or showed the same stack in every capture. Or it was proven sooner that "
        "none will come.",
        matters="The usual cause is a DataLoader whose workers wait for each other. It never ends "
        "and prints nothing.",
        remedy="dualwatch train captures the stacks and replaces the loader in the running "
        "training. Where that is not possible, it ends the process tree and reruns with "
        "num_workers=0 and half the batch, accumulating gradients so that the effective batch "
        "stays the same. A cause that is found has its own remedy.",
        example="DW102 stalled-training (certain)\n"
        "  no progress since 02:14:07: 300 s, limit 300 s\n"
        "  phase waiting-for-batch, 38 of 200 batches done, last iteration 438\n"
        "  main process is in select < wait < _poll < poll\n"
        "  tree idle for 300 s, CPU now 0 % of a core, I/O 0 B/s: main 4711 sleeping, ...",
        explains=("DW609",),
    ),
    Code(
        code="DW103",
        name="stalled-validation",
        severity=Severity.ERROR,
        means="The same as DW102 in a validation or test loop.",
        matters="The validation loader has workers of its own, which can deadlock too.",
        remedy="dualwatch train replaces the loader in the running training, or reruns with "
        "num_workers=0 in every loader.",
        example="DW103 stalled-validation (certain)\n"
        "  no progress since 02:14:07: 300 s, limit 300 s\n"
        "  phase waiting-for-val-batch, 3 of 50 batches done, last iteration 800\n"
        "  tree idle for 300 s, CPU now 0 % of a core, I/O 0 B/s: main 4711 sleeping, ...",
        explains=("DW609",),
    ),
    Code(
        code="DW104",
        name="slow-not-stalled",
        severity=Severity.INFO,
        means="No progress within the stall timeout, yet the processes use CPU or I/O.",
        matters="A COCO evaluation can be silent for hours and healthy. Nothing is ended, because "
        "that would lose its work.",
        remedy="None if you expect this. Otherwise raise --stall-timeout or speed up the slow "
        "part; after --busy-timeout, busy silence in start-up, metrics or saving is a stall.",
        example="DW104 slow-not-stalled (likely)\n"
        "  no progress since 02:14:07: 305 s, limit 300 s\n"
        "  phase computing-metrics, last iteration 800\n"
        "  main process is in accumulate < compute_metrics < evaluate < run\n"
        "  tree idle for 0 s, CPU now 100 % of a core, I/O 2 MiB/s: main 4711 running",
    ),
    Code(
        code="DW105",
        name="stalled-saving",
        severity=Severity.ERROR,
        means="A checkpoint is being written and does not finish.",
        matters="The disk or the network folder under the work dir does not respond.",
        remedy="Check the storage of the work dir (df, mount, dmesg). The last whole checkpoint "
        "still exists.",
        example="DW105 stalled-saving (certain)\n"
        "  no progress since 02:14:07: 300 s, limit 300 s\n"
        "  last line: Saving checkpoint at 4 epochs\n"
        "  main process is in __exit__ < save < save_checkpoint < after_train_epoch\n"
        "  tree idle for 300 s, CPU now 0 % of a core, I/O 0 B/s: main 4711 disk-sleep",
        explains=("DW609",),
    ),
    Code(
        code="DW111",
        name="loader-deadlock",
        severity=Severity.ERROR,
        means="The main process waits for a batch while its loader workers wait for a lock, inside "
        "the dataset or in a finalizer that Python runs in them, without CPU or I/O.",
        matters="The workers wait for each other, or for a lock that was held when they were "
        "forked. No timeout ends it, so a proven one is answered without waiting for the stall "
        "timeout.",
        remedy="Set num_workers=0; dualwatch train does so. To keep workers, take locks in one "
        "order, open files in the worker rather than before the fork, and start no threads before "
        "the fork.",
        example="DW111 loader-deadlock (certain)\n"
        "  2 of 2 loader workers wait for a lock inside the dataset, the main process waits for "
        "a batch\n"
        "  worker 4713: SemLock.__enter__ (synchronize.py:95) < load (pairs.py:20); sleeps in "
        "futex_do_wait\n"
        "  worker 4714: SemLock.__enter__ (synchronize.py:95) < load (pairs.py:16); sleeps in "
        "futex_do_wait\n"
        "  the workers wait at different places: a cycle, in which each holds the lock that "
        "another one wants",
        explains=("DW101", "DW102", "DW103", "DW104", "DW118"),
    ),
    Code(
        code="DW112",
        name="worker-stuck-in-dataset",
        severity=Severity.ERROR,
        means="The main process waits for a batch, and a loader worker stays at one place of the "
        "dataset or of a transform: it loops, sleeps or reads without end.",
        matters="Without workers the main process would hang at the same place.",
        remedy="Correct the function that the evidence names, or the sample that it works on. "
        "dualwatch train does not rerun one that loops, and tries once without workers if it "
        "waits.",
        example="DW112 worker-stuck-in-dataset (certain)\n"
        "  1 of 4 loader workers is stuck inside the dataset, 3 wait for work\n"
        "  worker 4713: RandomCrop.transform (crop.py:57) < Compose.__call__ (base_dataset.py:60)\n"
        "  worker 4713 loops: running, 100 % of a core, 0 B/s of I/O",
        explains=("DW101", "DW102", "DW103", "DW104", "DW118"),
    ),
    Code(
        code="DW113",
        name="dataset-init-stuck",
        severity=Severity.ERROR,
        means="The dataset is being built and does not finish. No loader worker exists yet.",
        matters="The log looks like that of a worker deadlock, and num_workers=0 does not help.",
        remedy="Check what it reads: a network folder, a huge annotation file, a lock. dualwatch "
        "train does not rerun it.",
        example="DW113 dataset-init-stuck (certain)\n"
        "  the dataset is being built and does not finish: load_data_list (xml_style.py:48) < "
        "full_init (base_dataset.py:307)\n"
        "  it waits for I/O: disk-sleep in folio_wait_bit_common, 0 % of a core",
        explains=("DW101", "DW104", "DW118"),
    ),
    Code(
        code="DW114",
        name="main-stuck-in-step",
        severity=Severity.ERROR,
        means="The main process loops or blocks in its own code: forward, backward, the "
        "optimizer, or the sampler.",
        matters="The loader is not the cause, so a rerun without workers can stall again.",
        remedy="Correct the function that the evidence names. dualwatch train tries one rerun "
        "without workers and with half the batch.",
        example="DW114 main-stuck-in-step (likely)\n"
        "  the main process is stuck in forward: match (assigner.py:31) < loss (head.py:88) < "
        "forward (detector.py:120)\n"
        "  it is running and uses 100 % of a core",
        explains=("DW101", "DW102", "DW103", "DW104"),
    ),
    Code(
        code="DW115",
        name="process-stopped",
        severity=Severity.WARNING,
        means="A process of the training is stopped (state T: Ctrl-Z, SIGSTOP; on Windows: "
        "suspended) or held by a debugger (state t).",
        matters="It does nothing until it is continued, but it is intact.",
        remedy='Continue it: kill -CONT PID; on Windows "Resume process" in the Resource '
        "Monitor. dualwatch train does so once per attempt, never for a process that a debugger "
        "holds, and does not restart it.",
        example="DW115 process-stopped (certain)\n"
        "  no progress since 02:14:07: 300 s, limit 300 s\n"
        "  stopped (state T): pid 4713 (worker)\n"
        "  the main process 4711 runs and waits for it",
        explains=("DW101", "DW102", "DW103", "DW105", "DW118"),
    ),
    Code(
        code="DW116",
        name="storage-stuck",
        severity=Severity.ERROR,
        means="A process of the training stays in uninterruptible I/O (state D): a disk or a "
        "network folder does not respond.",
        matters="Such a process cannot be killed, so a rerun would only add another one that "
        "waits.",
        remedy="Check the storage that the evidence names (mount, df, dmesg). The training "
        "continues when it responds again. dualwatch train does not rerun it.",
        example="DW116 storage-stuck (certain)\n"
        "  main 4711 in uninterruptible sleep (state D) for at least 120 s, no CPU, no I/O\n"
        "  main 4711 sleeps in nfs_wait_bit_killable: a network folder (NFS) does not respond\n"
        "  it is in read (loading.py:107) < __getitem__ (base_dataset.py:408)",
        explains=("DW101", "DW102", "DW103", "DW105", "DW104", "DW112", "DW113", "DW114", "DW118"),
    ),
    Code(
        code="DW117",
        name="slow-worker-start",
        severity=Severity.INFO,
        means="Loader workers are still being started: the dataset is pickled into each of "
        "them, and each imports its modules.",
        matters="It looks like a hang; the first batch comes when the last worker is up.",
        remedy="None if it finishes. Otherwise use fewer workers, or a dataset that holds arrays "
        "instead of many small objects.",
        example="DW117 slow-worker-start (certain)\n"
        "  loader workers are still being started: 5 of 16 so far\n"
        "  the main process sends the dataset to a new worker: dump (reduction.py:60) < "
        "Popen._launch (popen_spawn_posix.py:47)\n"
        "  worker 4718 imports or unpickles: _main (spawn.py:132) < spawn_main (spawn.py:122)",
        explains=("DW101", "DW104"),
    ),
    Code(
        code="DW118",
        name="collective-stuck",
        severity=Severity.CRITICAL,
        means="The ranks of a distributed training wait for each other in a collective, or waited "
        "until it timed out.",
        matters="One rank is elsewhere: it has fewer batches, died, or took another branch.",
        remedy="Give every rank the same number of batches, and look at the first rank that "
        "failed. dualwatch train tries one rerun.",
        remedies={
            Circumstance.WHILE_EVALUATING: "The other ranks waited longer than the timeout for a "
            "rank that evaluates alone. Raise the timeout (init_process_group(timeout=...)), or "
            "make the evaluation shorter: fewer images, fewer boxes per image, or a smaller "
            "interval of results that are collected.",
            Circumstance.NEVER_JOINED: "Some processes never reached the meeting point. Check that "
            "every node was started with the same address, port and number of nodes, that the "
            "address can be reached from each of them, and what the missing ones died of.",
            Circumstance.DIFFERENT_BRANCHES: "Shortly before, the batch of one rank alone had "
            "nothing in it, or the model returned fewer losses for it: that rank may have skipped "
            "a backward pass or a collective. Compute the same losses on every rank: "
            "where there is nothing to compute one of, return the sum of the predictions times 0, "
            "so that every rank does the same backward pass. Or leave such samples out.",
            Circumstance.ONE_RANK_ALONE: "One rank alone calls the DistributedDataParallel model, "
            "whose forward pass sends its buffers to all ranks. Where only one rank validates or "
            "draws, call model.module instead of model, in eval mode; or let all ranks validate.",
        },
        example="DW118 collective-stuck (likely)\n"
        "  rank 0 waits in all_reduce, and rank 1 is elsewhere: save (serialization.py:850) < "
        "save_checkpoint (checkpoint.py:12)\n"
        "  rank 1: save (serialization.py:850) < save_checkpoint (checkpoint.py:12)\n"
        "  rank 0: all_reduce, called by parse_losses (base_model.py:188)",
        explains=("DW101", "DW102", "DW103", "DW114"),
    ),
    Code(
        code="DW119",
        name="evaluation-pool-stuck",
        severity=Severity.ERROR,
        means="The main process waits for a pool of processes (multiprocessing.Pool), as "
        "evaluations use it, and none of them works: one died and its task is lost, or is blocked.",
        matters="The pool starts another process and never returns. A metric that computes in "
        "several processes runs that risk at every evaluation; the DataLoader is not the cause.",
        remedy="dualwatch train computes the evaluation again in the training's own process, "
        "without a pool, and the training continues. For good: one process (nproc=1) where the "
        "metric takes it, and more memory if the kernel killed the process.",
        example="DW119 evaluation-pool-stuck (certain)\n"
        "  the main process waits for a pool of processes, called by eval_map (mean_ap.py:631) < "
        "compute_metrics (metric.py:135)\n"
        "  process 4731 of the pool was started 12 s after the others: it replaces one that died, "
        "whose task is lost\n"
        "  4 of 4 processes of the pool wait for a task: nothing is being computed, and nothing "
        "will come",
        explains=("DW101", "DW102", "DW103", "DW104", "DW114", "DW118"),
    ),
    Code(
        code="DW121",
        name="build-lock-stale",
        severity=Severity.ERROR,
        means="A just-in-time build of an extension (torch.utils.cpp_extension) waits for a lock "
        "file whose owner is gone: an earlier build was killed.",
        matters="The wait has no timeout. Every training that needs the extension waits there, at "
        "its start or at its first validation.",
        remedy="Make sure that no other training builds the extension, delete the file named "
        "lock in its build folder (below TORCH_EXTENSIONS_DIR, by default "
        "~/.cache/torch_extensions), and start again. dualwatch train deletes nothing and reruns "
        "once with a build folder of its own.",
        example="DW121 build-lock-stale (certain)\n"
        "  the main process waits for the lock of an extension build, "
        "/home/me/.cache/torch_extensions/py311_cu121/nms/lock, which no visible process has open; "
        "called by load_ops (ops.py:12) < build_model (model.py:40)\n"
        "  /home/me/.cache/torch_extensions/py311_cu121/nms/lock was created 2h ago, before this "
        "process started; no visible process has it open",
        explains=("DW101", "DW102", "DW103", "DW104", "DW113", "DW114", "DW118"),
    ),
    Code(
        code="DW122",
        name="download-stuck",
        severity=Severity.ERROR,
        means="Weights or data are being downloaded, and nothing arrives: the server, a proxy or "
        "the network does not answer.",
        matters="Most downloads have no time limit, so the wait never ends. The DataLoader is not "
        "the cause.",
        remedy="Check the address, the proxy and the firewall; or download the file by hand and "
        "name the local file in the configuration. dualwatch train reruns once, with a time limit "
        "for every answer of a server.",
        example="DW122 download-stuck (certain)\n"
        "  nothing has come for 5m02s: a download of https://example.org/weights/r50.pth waits for "
        "data: download_url_to_file (hub.py:768) < load_state_dict_from_url (hub.py:870)\n"
        "  the last data from 203.0.113.7:443 came 5m02s ago, or none ever did\n"
        "  the half file /home/me/.cache/torch/hub/checkpoints/r50.pth."
        "0f2d6a0c4b1e4c6f9a7d1f0b8c3e5a79.partial has 12 MiB, and was written to 5m02s ago",
        explains=("DW101", "DW102", "DW103", "DW104", "DW113", "DW114", "DW118"),
    ),
    Code(
        code="DW123",
        name="worker-join-stuck",
        severity=Severity.ERROR,
        means="The pass over the data is over, the main process waits for its loader workers to "
        "end, and one of them does not.",
        matters="What a worker does at its end hangs: a finalizer, a queue without a reader, a "
        "thread. Older versions of torch wait for it without a time limit.",
        remedy="dualwatch train ends those workers in the running training, and the next pass "
        "begins. For good: persistent_workers=True, and no finalizers or threads in the dataset "
        "that wait.",
        example="DW123 worker-join-stuck (certain)\n"
        "  the pass over the data is over, the main process ends its workers, and 1 loader worker "
        "does not end\n"
        "  worker 4713: flush (cache.py:31) < Finalize.__call__ (util.py:227) < _run_finalizers "
        "(util.py:303); sleeping in hrtimer_nanosleep, 0 % of a core",
        explains=("DW101", "DW102", "DW103", "DW104", "DW118"),
    ),
    Code(
        code="DW124",
        name="batch-lost",
        severity=Severity.ERROR,
        means="The main process waits for a batch while every loader worker is alive and waits for "
        "work: the batch was lost between them.",
        matters="No worker will make it again, and without a timeout of the loader the wait never "
        "ends. The data and the transforms are not the cause.",
        remedy="dualwatch train replaces the loader in the running training, which reads the "
        "missing batch again. If it comes again: pin_memory=False, and timeout=600 in the loader.",
        example="DW124 batch-lost (certain)\n"
        "  the main process waits for a batch, and all 2 loader workers wait for work: the batch "
        "was lost on its way\n"
        "  worker 4713: poll (connection.py:257) < get (queues.py:113); sleeping in do_poll, 0 % "
        "of a core\n"
        "  the missing batch: index 40, index 41, index 42, index 43",
        explains=("DW101", "DW102", "DW103", "DW104", "DW118"),
    ),
    Code(
        code="DW125",
        name="logger-blocked",
        severity=Severity.ERROR,
        means="The main process waits until a logger takes a record: the thread that writes "
        "TensorBoard's events is gone, wandb's service does not answer, or the console has "
        "no reader.",
        matters="The training waits for a line of a log, and neither the loader nor the "
        "model is the cause.",
        remedy="Look at what takes the records: the disk of the event files, the service, the "
        "reader of the console. dualwatch train drops TensorBoard's further events and continues, "
        "or reruns once with wandb offline.",
        remedies={
            Circumstance.WRITER_GONE: "Make room on the disk of the event files, and update "
            "tensorboard. dualwatch train drops further events of this writer, and the training "
            "continues; otherwise it reruns once.",
            Circumstance.WRITER_BLOCKED: "Check the disk that holds the event files (df, mount, "
            "dmesg), or write them to a local folder.",
            Circumstance.SERVICE_SILENT: "Start the training with WANDB_MODE=offline, and upload "
            "later (wandb sync). dualwatch train reruns once that way.",
            Circumstance.CONSOLE_UNREAD: "Read the other end of the pipe, or end the program that "
            "holds it; on a terminal press Ctrl-Q. Start the training with its output in a file "
            "(> train.log 2>&1).",
        },
        example="DW125 logger-blocked (certain)\n"
        "  the main process waits until TensorBoard's writer takes its events: "
        "FileWriter.add_event (writer.py:117) < FileWriter.add_summary (writer.py:140)\n"
        "  no thread that writes events is alive: it died, and the queue stays full",
        explains=("DW101", "DW102", "DW103", "DW104", "DW105", "DW114", "DW118"),
    ),
)
