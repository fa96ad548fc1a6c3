/* SPDX-License-Identifier: MIT */
/*
 * The library's version and its errors in words. Context: any thread, any time.
 */
#include <string.h>

#include "base/err.h"
#include "sonde/sonde.h"

#define FIRST_OWN SONDE_E_TOO_SHORT

const char *sonde_version(void)
{
	return SONDE_VERSION;
}

const char *sonde_strerror(int err)
{
	return sonde_err_text(err);
}

const char *sonde_errname(int err)
{
	const char *name;

	if (err <= FIRST_OWN)
		return sonde_err_name(err);
	/* the C library's constant names: no buffer, any thread */
	name = strerrorname_np(err < 0 ? -err : err);
	return name ? name : "UNKNOWN";
}
