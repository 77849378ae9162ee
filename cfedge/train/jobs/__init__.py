"""Work that a machine may hand to others: jobs, which are pure functions of digests to bytes, run on
any `concurrent.futures.Executor`.

======================================== ==================================================
`cfedge.train.jobs.job`                  what a job is, and its digest
`cfedge.train.jobs.worker`               what runs where the work is done
`cfedge.train.jobs.running`              handing jobs out and taking results in
`cfedge.train.jobs.place`                where: ``--on``, processes here, an Executor of yours
`cfedge.train.jobs.processes`, `cluster` the two that come with cfedge
`cfedge.train.jobs.learning`             learning a task as a job
`cfedge.train.jobs.answering`            answering test data as a job
======================================== ==================================================

Only the coordinator, the process that hands jobs out, writes to a workspace. A worker needs neither
its disk nor its network address: what a job reads travels with it, or is asked for by digest and
kept.
"""
