/* SPDX-License-Identifier: MIT */
/*
 * The words of every refusal.
 *
 * Owns: the one table from code to name and sentence. Context: tool, any thread.
 */
#include "base/err.h"

#include <string.h>

#include "base/base.h"

#define FIRST SONDE_E_TOO_SHORT /* the greatest of our own codes */

struct err_word {
	const char *name;
	const char *text;
};

#define WORD(code, text) [FIRST - SONDE_E_##code] = {#code, text}

static const struct err_word words[] = {
	WORD(TOO_SHORT, "no jump fits: the instruction and what follows it leave no room"),
	WORD(BRANCH_INTO, "something branches into the bytes that would change"),
	WORD(DECODE, "the bytes are not a known instruction"),
	WORD(RELOCATE, "the instruction cannot be moved"),
	WORD(NOT_BOUNDARY, "the address is not an instruction boundary of its function"),
	WORD(NO_FUNCTION, "the address lies in no known function"),
	WORD(NO_SPACE_NEAR, "every address the jump could reach is taken in this process"),
	WORD(BYTES_DIFFER, "the code in memory is not the code of the file"),
	WORD(NOT_ELF, "the file is not an ELF image"),
	WORD(MACHINE, "the image is for another machine"),
	WORD(STATIC, "the program is statically linked: no loader could bring the agent"),
	WORD(STRIPPED, "the image has no symbols at all"),
	WORD(NO_SYMBOL, "the image has no such function"),
	WORD(NOT_CODE, "the symbol or address is not in executable memory"),
	WORD(SETUID, "the program is set-uid or set-gid: the loader would ignore the agent"),
	WORD(LOADER, "the program's dynamic loader is not glibc's"),
	WORD(LIBRARY, "there is no such library where the loader would look"),
	WORD(BAD_SESSION, "the shared memory is of another version, or damaged"),
	WORD(PROTECT, "the kernel refused to make the code writable"),
	WORD(UNSAFE, "this function must never be probed"),
	WORD(OVERLAP, "another probe stands so near that both jumps would need the same bytes"),
	WORD(TRAPS, "it would need a trap, which threads of the program may not survive"),
	WORD(INDIRECT, "the function has an indirect jump that may lead anywhere"),
	WORD(SHARED, "the function's code goes on in another function's"),
};

static const struct err_word *word_of(int err)
{
	/* err may be any integer: the range is checked before the subtraction */
	if (err > FIRST || err <= FIRST - (int)ARRAY_LEN(words))
		return NULL;
	/* a number that was given up leaves a gap */
	return words[FIRST - err].name ? &words[FIRST - err] : NULL;
}

const char *sonde_err_text(int err)
{
	const struct err_word *w = word_of(err);
	const char *text;

	if (w)
		return w->text;
	if (err <= FIRST)
		return "unknown error";
	/* the const text of the C library: no buffer, no locale, any thread */
	text = strerrordesc_np(err < 0 ? -err : err);
	return text ? text : "unknown error";
}

const char *sonde_err_name(int err)
{
	const struct err_word *w = word_of(err);

	if (w)
		return w->name;
	return err <= FIRST ? "UNKNOWN" : "ERRNO";
}
