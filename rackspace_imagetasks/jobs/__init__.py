# SPDX-License-Identifier: Apache-2.0
"""The jobs: each is planned first, which reports all problems at once, and then run.

A plan holds the cloud it works on. `run()` finishes the job, and the result is looked up
afterwards. Where it makes sense, `preview()` returns the expected result without a request, and
`start()` begins the job without waiting for its end.
"""
