/* SPDX-License-Identifier: MIT */
/*
 * Error codes. Every int of the interface that can fail is 0, a negative errno, or a code of this
 * list. A refusal names its reason, because "why not here?" is the question users ask most.
 * The numbers are part of the interface: none is ever used for another meaning.
 */
#ifndef SONDE_ERR_H
#define SONDE_ERR_H

#ifdef __cplusplus
extern "C" {
#endif

enum sonde_err {
	SONDE_E_TOO_SHORT = -4001,     /* no jump fits: too little room here and behind */
	SONDE_E_BRANCH_INTO = -4002,   /* something branches into the bytes that would change */
	SONDE_E_DECODE = -4004,	       /* the bytes are not a known instruction */
	SONDE_E_RELOCATE = -4005,      /* the instruction cannot be moved */
	SONDE_E_NOT_BOUNDARY = -4006,  /* not an instruction boundary of its function */
	SONDE_E_NO_FUNCTION = -4007,   /* the address lies in no known function */
	SONDE_E_NO_SPACE_NEAR = -4008, /* every address in reach is taken in this process */
	SONDE_E_BYTES_DIFFER = -4009,  /* the code in memory is not the code of the file */
	SONDE_E_NOT_ELF = -4010,       /* the file is not an ELF image */
	SONDE_E_MACHINE = -4011,       /* the image is for another machine */
	SONDE_E_STATIC = -4012,	       /* no dynamic loader that could bring the agent */
	SONDE_E_STRIPPED = -4013,      /* the image has no symbols at all */
	SONDE_E_NO_SYMBOL = -4014,     /* the image has no such function */
	SONDE_E_NOT_CODE = -4015,      /* the symbol or address is not in executable memory */
	SONDE_E_SETUID = -4016,	       /* set-uid or set-gid: the loader would ignore the agent */
	SONDE_E_LOADER = -4017,	       /* its dynamic loader is not glibc's */
	SONDE_E_LIBRARY = -4018,       /* no such library where the loader would look */
	SONDE_E_BAD_SESSION = -4019,   /* shared memory of another version, or damaged */
	SONDE_E_PROTECT = -4020,       /* the kernel refused to make the code writable */
	SONDE_E_UNSAFE = -4021,	       /* a function that must never be probed */
	SONDE_E_OVERLAP = -4022,       /* another probe needs the same bytes for its jump */
	SONDE_E_TRAPS = -4023,	       /* only a place where threads can trap, and they must not */
	SONDE_E_INDIRECT = -4024,      /* a jump of the function may lead anywhere */
	SONDE_E_SHARED = -4025,	       /* its code goes on in another function's */
};

/*
 * The reason for @err in words, without a final dot: a sentence for a code of this list, the C
 * library's text for an errno of either sign, "unknown error" for anything else. A string that
 * lives for ever, never NULL. Any thread, any time.
 */
const char *sonde_strerror(int err);

/*
 * The short name of @err: "BRANCH_INTO" for SONDE_E_BRANCH_INTO, "ENOENT" for an errno of either
 * sign, "0" for 0, "UNKNOWN" for anything else. A string that lives for ever, never NULL. Any
 * thread, any time.
 */
const char *sonde_errname(int err);

#ifdef __cplusplus
}
#endif

#endif
