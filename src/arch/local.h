/* SPDX-License-Identifier: MIT */
/*
 * Chooses the machine's thread-local operations; -DSONDE_ARCH_STUB takes the portable ones.
 */
#ifndef SONDE_ARCH_LOCAL_H
#define SONDE_ARCH_LOCAL_H

#if defined(__x86_64__) && !defined(SONDE_ARCH_STUB)
#include "arch/x86_64/local.h"
#else
#include "arch/stub/local.h"
#endif

#endif
