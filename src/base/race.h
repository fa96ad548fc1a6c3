/* SPDX-License-Identifier: MIT */
/*
 * Named points at which a test can stop a thread, to drive two threads through one schedule.
 * Compiled to nothing but in tests (tests/race), which define SONDE_RACE_POINTS and the hook.
 */
#ifndef SONDE_BASE_RACE_H
#define SONDE_BASE_RACE_H

#ifdef SONDE_RACE_POINTS
void race_point(const char *name);
#else
#define race_point(name) ((void)0)
#endif

#endif
