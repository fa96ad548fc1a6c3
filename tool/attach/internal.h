/* SPDX-License-Identifier: MIT */
/*
 * What the files of this room share: how a session lies in the file system.
 */
#ifndef SONDE_ATTACH_INTERNAL_H
#define SONDE_ATTACH_INTERNAL_H

#include "attach/attach.h"

#define SESSION_PREFIX "sonde."
#define SESSION_FILE "session"
#define SESSION_AGENT "agent.so"

/* Remove sessions in directory @base whose tool is gone. */
void attach_remove_stale(const char *base);

#endif
