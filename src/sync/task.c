/* SPDX-License-Identifier: MIT */
/*
 * Reading /proc/self/task.
 *
 * A thread has slept from one moment to another if it was asleep at both and was not put to sleep
 * in between. The kernel counts how often it takes a thread off its processor ("voluntary" and
 * "nonvoluntary" switches); to have run in between, a thread that is asleep at the end must have
 * been taken off once more. So: read the count, see it asleep, ...; see it asleep, read the count:
 * the same. What was read first may be older than the first sight; then the counts differ and the
 * answer is no.
 *
 * Context: any thread; no libc.
 */
#include "sync/task.h"

#include <errno.h>
#include <fcntl.h>

#include "base/base.h"
#include "base/mem.h"
#include "base/sys.h"

#define TICK_NS 10000000ull /* of start times in /proc: USER_HZ is 100 everywhere */

/* All of /proc/self/task/TID/NAME, a NUL behind; the length or -errno. */
static long task_read(int32_t tid, const char *name, char *text, size_t size)
{
	static const char prefix[] = "/proc/self/task/";
	char path[48], digits[12];
	size_t n = 0, at = sizeof(prefix) - 1;
	long fd, len = 0, got = 1;

	mem_copy(path, prefix, at);
	for (int32_t t = tid; t; t /= 10)
		digits[n++] = (char)('0' + t % 10);
	while (n)
		path[at++] = digits[--n];
	path[at++] = '/';
	str_copy(path + at, name, sizeof(path) - at);
	fd = sys4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	while (got > 0 && (size_t)len < size - 1) {
		got = sys3(SYS_read, fd, text + len, size - 1 - (size_t)len);
		if (got > 0)
			len += got;
	}
	sys1(SYS_close, fd);
	text[len] = '\0';
	return got < 0 ? got : len;
}

int sync_task_stat(int32_t tid, char *state, uint64_t *start)
{
	char text[512];
	long end = task_read(tid, "stat", text, sizeof(text)), i;
	int n = 0;

	if (end < 0)
		return (int)end;
	/* the name, in parentheses, may hold anything; behind it the state, as 20th field the start
	 */
	for (i = end; i > 0 && text[i - 1] != ')'; i--)
		;
	if (i <= 0 || i + 1 >= end)
		return -ESRCH;
	*state = text[i + 1];
	*start = 0;
	for (; i < end && n <= 20; i++) {
		if (text[i] == ' ')
			n++;
		else if (n == 20)
			*start = *start * 10 + (uint64_t)(text[i] - '0');
	}
	*start *= TICK_NS;
	return 0;
}

static uint64_t decimal(const char *p)
{
	uint64_t v = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		v = v * 10 + (uint64_t)(*p - '0');
	return v;
}

/* The sum of all lines "...voluntary_ctxt_switches:\tN". */
static int read_switches(int32_t tid, char *text, uint64_t *sum)
{
	static const char label[] = "voluntary_ctxt_switches:\t";
	const size_t n = sizeof(label) - 1;
	long len = task_read(tid, "status", text, SYNC_TASK_TEXT);
	int found = 0;

	if (len < 0)
		return (int)len;
	*sum = 0;
	for (long i = 0; i + (long)n <= len; i++) {
		if (text[i] == 'v' && mem_equal(text + i, label, n)) {
			*sum += decimal(text + i + n);
			found++;
		}
	}
	return found == 2 ? 0 : -EOPNOTSUPP;
}

static const char *next_hex(const char *p, uint64_t *v)
{
	*v = 0;
	while (*p == ' ')
		p++;
	if (p[0] != '0' || p[1] != 'x')
		return NULL;
	for (p += 2;; p++) {
		if (*p >= '0' && *p <= '9')
			*v = *v << 4 | (uint64_t)(*p - '0');
		else if (*p >= 'a' && *p <= 'f')
			*v = *v << 4 | (uint64_t)(*p - 'a' + 10);
		else
			return p;
	}
}

/* "running", "NR six-arguments SP PC", or "-1 SP PC". */
static int parse_syscall(const char *text, struct sync_task *t)
{
	uint64_t v[8] = {0};
	const char *p = text;
	int n = 0;

	if (*p == 'r')
		return -EAGAIN;
	t->nr = *p == '-' ? -1 : (int32_t)decimal(p);
	while (*p && *p != ' ')
		p++;
	while (n < 8 && (p = next_hex(p, &v[n])) != NULL)
		n++;
	if (n != 8 && n != 2)
		return -EOPNOTSUPP;
	t->sp = v[n - 2];
	t->pc = v[n - 1];
	for (int i = 0; i < 6; i++)
		t->arg[i] = i < n - 2 ? v[i] : 0;
	return 0;
}

static int read_syscall(struct sync_task *t, char *text)
{
	long len = task_read(t->tid, "syscall", text, SYNC_TASK_TEXT);

	return len < 0 ? (int)len : parse_syscall(text, t);
}

int sync_task_look(struct sync_task *t, char *text)
{
	int err = read_switches(t->tid, text, &t->switches);

	return err ? err : read_syscall(t, text);
}

int sync_task_slept(const struct sync_task *t, char *text)
{
	struct sync_task now = *t;
	int err = read_syscall(&now, text);

	if (!err)
		err = read_switches(t->tid, text, &now.switches);
	if (!err && now.switches != t->switches)
		err = -EAGAIN;
	return err;
}

int32_t sync_task_self(void)
{
	char link[64];
	long n = sys3(SYS_readlink, "/proc/thread-self", link, sizeof(link) - 1);

	if (n < 0)
		return (int32_t)n;
	link[n] = '\0';
	while (n > 0 && link[n - 1] != '/')
		n--;
	return (int32_t)decimal(link + n);
}
