/* SPDX-License-Identifier: MIT */
/*
 * See harness.h.
 */
#include "harness.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOB_SECONDS 60

static double clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

double bench_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

double bench_thread_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

_Noreturn void bench_fail(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	_exit(1);
}

/* As it was when the program began: pinning changes it. */
static const cpu_set_t *allowed(void)
{
	static cpu_set_t set;

	if (!CPU_COUNT(&set) && sched_getaffinity(0, sizeof(set), &set))
		bench_fail("sched_getaffinity");
	return &set;
}

int bench_cpus(void)
{
	return CPU_COUNT(allowed());
}

void bench_pin(int which)
{
	const cpu_set_t *set = allowed();
	cpu_set_t one;

	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, set) && which-- == 0)
			CPU_SET(cpu, &one);
	}
	if (sched_setaffinity(0, sizeof(one), &one))
		bench_fail("no processor to pin a thread to");
}

void bench_deny_membarrier(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
		bench_fail("no seccomp filter to be had");
}

bool bench_isolated(bench_job *job, const void *arg, double *out, size_t n)
{
	ssize_t size = (ssize_t)(n * sizeof(*out));
	int pipes[2], status;
	bool good;
	pid_t pid;

	bench_cpus();
	fflush(NULL);
	if (pipe(pipes))
		bench_fail("pipe");
	pid = fork();
	if (pid < 0)
		bench_fail("fork");
	if (!pid) {
		close(pipes[0]);
		alarm(JOB_SECONDS);
		job(arg, out);
		_exit(write(pipes[1], out, (size_t)size) != size);
	}
	close(pipes[1]);
	good = read(pipes[0], out, (size_t)size) == size;
	close(pipes[0]);
	good &= waitpid(pid, &status, 0) == pid && status == 0;
	for (size_t i = 0; !good && i < n; i++)
		out[i] = NAN;
	return good;
}

void samples_add(struct samples *s, double v)
{
	if (!isnan(v) && s->n < BENCH_SAMPLES_MAX)
		s->v[s->n++] = v;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double samples_median(struct samples *s)
{
	if (!s->n)
		return NAN;
	qsort(s->v, s->n, sizeof(s->v[0]), compare);
	return (s->v[(s->n - 1) / 2] + s->v[s->n / 2]) / 2;
}

double samples_min(struct samples *s)
{
	double least = NAN;

	for (size_t i = 0; i < s->n; i++)
		least = fmin(least, s->v[i]);
	return least;
}

int bench_rounds(int without)
{
	const char *text = getenv("ROUNDS");
	int n = text ? atoi(text) : without;

	return n < 1 ? 1 : n > BENCH_SAMPLES_MAX ? BENCH_SAMPLES_MAX : n;
}

static void json_path(char *path, size_t size, const char *dir, const char *name)
{
	snprintf(path, size, "%s/%s.json", dir, name);
}

void json_open(struct json *j, const char *dir, const char *name, int rounds)
{
	char path[4096];

	json_path(path, sizeof(path), dir, name);
	*j = (struct json){.f = fopen(path, "we")};
	if (!j->f)
		bench_fail(path);
	fprintf(j->f, "{\"benchmark\": \"%s\", \"rounds\": %d, \"cpus\": %d", name, rounds,
		bench_cpus());
}

static void end_table(struct json *j)
{
	fputs(j->rows ? "}" : "", j->f);
	fputs(j->in_table ? "]" : "", j->f);
}

void json_table(struct json *j, const char *name)
{
	end_table(j);
	fprintf(j->f, ",\n\"%s\": [", name);
	j->in_table = true;
	j->rows = 0;
}

void json_row(struct json *j, const char *key, const char *text)
{
	fprintf(j->f, "%s\n  {\"%s\": \"%s\"", j->rows++ ? "}," : "", key, text);
}

void json_text(struct json *j, const char *key, const char *text)
{
	fprintf(j->f, ", \"%s\": \"%s\"", key, text);
}

void json_number(struct json *j, const char *key, double value)
{
	if (isnan(value))
		fprintf(j->f, ", \"%s\": null", key);
	else
		fprintf(j->f, ", \"%s\": %.6g", key, value);
}

void json_close(struct json *j, const char *dir, const char *name)
{
	end_table(j);
	fputs("}\n", j->f);
	if (fclose(j->f))
		bench_fail("cannot write the results");
	printf("written to %s/%s.json\n", dir, name);
}

void cell(double value, int width, int digits)
{
	if (isnan(value))
		printf(" %*s", width, "-");
	else
		printf(" %*.*f", width, digits, value);
}
