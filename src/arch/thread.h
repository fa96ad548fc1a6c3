/* SPDX-License-Identifier: MIT */
/*
 * Chooses the machine's thread facts (arch_cpu).
 */
#ifndef SONDE_ARCH_THREAD_H
#define SONDE_ARCH_THREAD_H

#if defined(__x86_64__)
#include "arch/x86_64/thread.h"
#else
#error "no src/arch for this machine yet"
#endif

#endif
