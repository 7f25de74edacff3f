# SPDX-License-Identifier: Apache-2.0
"""The jobs: each is planned first, which reports all problems at once, and then run.

A plan holds the cloud it works on. `preview()` returns the expected result without a request,
`start()` begins and does not wait, `run()` finishes the job; the result is looked up afterwards.
"""
