/* SPDX-License-Identifier: MIT */
/*
 * The front door of the room: the calls of <sonde/probe.h>, which this room implements.
 */
#ifndef SONDE_PROBE_PROBE_H
#define SONDE_PROBE_PROBE_H

#include "sonde/probe.h"

#endif
