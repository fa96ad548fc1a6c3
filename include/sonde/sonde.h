/* SPDX-License-Identifier: MIT */
/*
 * libsonde: everything.
 *
 * Conventions: functions that can fail return 0, a negative errno or a SONDE_E_* code
 * (<sonde/err.h>) and hand values out by pointer. Handles are opaque. Structs that both sides know
 * begin with their size, so that programs and libraries of different age understand each other.
 */
#ifndef SONDE_SONDE_H
#define SONDE_SONDE_H

#include <sonde/domain.h>
#include <sonde/err.h>
#include <sonde/image.h>
#include <sonde/probe.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of these headers. */
#define SONDE_VERSION_MAJOR 0
#define SONDE_VERSION_MINOR 1
#define SONDE_VERSION_PATCH 0
#define SONDE_VERSION "0.1.0"

/* The version of the library that is running, as SONDE_VERSION. Any thread, any time. */
const char *sonde_version(void);

#ifdef __cplusplus
}
#endif

#endif
