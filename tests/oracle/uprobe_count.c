/* SPDX-License-Identifier: MIT */
/*
 * The kernel as oracle: how often does a program, children included, reach file offsets?
 *
 *   uprobe_count [-o OUT] [-e ERR] (-p PATH:OFFSET)... -- CMD [ARG]...
 *
 * One counting perf event on the uprobe PMU per PATH:OFFSET and processor, for every process:
 * an event that follows forks cannot be used, because the kernel reads the path anew from the
 * memory of whoever forks, and the fork fails. So PATH must be a private copy that only CMD
 * loads. CMD's output goes to OUT and ERR (default /dev/null). Prints "PATH:OFFSET COUNT" in
 * the order given, then "status N" with CMD's wait status. Exit status 77, with the reason on
 * standard error, where the kernel or the permissions do not allow it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_SPECS 256
#define MAX_CPUS 1024
#define PMU_TYPE "/sys/bus/event_source/devices/uprobe/type"

struct spec {
	const char *text;
	char *path;
	uint64_t offset;
	int fd[MAX_CPUS]; /* 0 = no such processor */
};

static struct spec spec[MAX_SPECS];
static size_t nspecs;

static int usage(void)
{
	fprintf(stderr, "usage: uprobe_count [-o OUT] [-e ERR] -p PATH:OFFSET ... -- CMD ...\n");
	return 2;
}

static int skip(const char *what, int err)
{
	fprintf(stderr, "uprobe_count: %s: %s\n", what, strerror(err));
	return 77;
}

static bool add_spec(const char *text)
{
	const char *colon = strrchr(text, ':');
	char *end;

	if (!colon || nspecs == MAX_SPECS)
		return false;
	struct spec *s = &spec[nspecs++];
	s->text = text;
	s->path = strndup(text, (size_t)(colon - text));
	s->offset = strtoull(colon + 1, &end, 0);
	return s->path && end != colon + 1 && !*end;
}

static int pmu_type(void)
{
	int type = -1;
	FILE *f = fopen(PMU_TYPE, "re");

	if (!f)
		return -errno;
	if (fscanf(f, "%d", &type) != 1)
		type = -EINVAL;
	fclose(f);
	return type;
}

/* The child: wait for the events, then become CMD. */
static void child(int gate, const char *out, const char *err, char **argv)
{
	char go;
	int in = open("/dev/null", O_RDONLY);
	int o = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	int e = open(err, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (in < 0 || o < 0 || e < 0 || read(gate, &go, 1) != 1)
		_exit(127);
	close(gate);
	dup2(in, 0);
	dup2(o, 1);
	dup2(e, 2);
	if (in > 2)
		close(in);
	if (o > 2)
		close(o);
	if (e > 2)
		close(e);
	execvp(argv[0], argv);
	_exit(127);
}

static long open_event(int type, const struct spec *s, int cpu)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = (uint32_t)type,
		.config1 = (uint64_t)(uintptr_t)s->path,
		.config2 = s->offset,
	};

	return syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

static int open_events(int type, int ncpus)
{
	for (size_t i = 0; i < nspecs; i++) {
		for (int cpu = 0; cpu < ncpus; cpu++) {
			long fd = open_event(type, &spec[i], cpu);
			int err = errno;

			if (fd < 0 && err == ENODEV)
				continue;
			if (fd < 0) {
				fprintf(stderr, "uprobe_count: %s: %s\n", spec[i].text,
					strerror(err));
				return err == EACCES || err == EPERM ? 77 : 1;
			}
			spec[i].fd[cpu] = (int)fd;
		}
	}
	return 0;
}

static int print_counts(int status, int ncpus)
{
	for (size_t i = 0; i < nspecs; i++) {
		uint64_t sum = 0, count;

		for (int cpu = 0; cpu < ncpus; cpu++) {
			if (!spec[i].fd[cpu])
				continue;
			if (read(spec[i].fd[cpu], &count, sizeof(count)) != sizeof(count)) {
				fprintf(stderr, "uprobe_count: reading %s failed\n", spec[i].text);
				return 1;
			}
			sum += count;
		}
		printf("%s %llu\n", spec[i].text, (unsigned long long)sum);
	}
	printf("status %d\n", status);
	return 0;
}

int main(int argc, char **argv)
{
	const char *out = "/dev/null", *err = "/dev/null";
	struct rlimit lim;
	int opt, status, rc, type, ncpus, gate[2];

	while ((opt = getopt(argc, argv, "+o:e:p:")) != -1) {
		if (opt == 'o')
			out = optarg;
		else if (opt == 'e')
			err = optarg;
		else if (opt != 'p' || !add_spec(optarg))
			return usage();
	}
	if (optind == argc || !nspecs)
		return usage();
	type = pmu_type();
	if (type < 0)
		return skip(PMU_TYPE, -type);
	ncpus = (int)sysconf(_SC_NPROCESSORS_CONF);
	if (ncpus < 1 || ncpus > MAX_CPUS)
		return skip("number of processors", ERANGE);
	if (!getrlimit(RLIMIT_NOFILE, &lim)) {
		lim.rlim_cur = lim.rlim_max;
		setrlimit(RLIMIT_NOFILE, &lim);
	}
	if (pipe2(gate, O_CLOEXEC))
		return skip("pipe", errno);

	pid_t pid = fork();
	if (pid < 0)
		return skip("fork", errno);
	if (!pid) {
		close(gate[1]);
		child(gate[0], out, err, argv + optind);
	}
	close(gate[0]);
	rc = open_events(type, ncpus);
	if (rc) {
		close(gate[1]); /* the child reads nothing and leaves */
		waitpid(pid, &status, 0);
		return rc;
	}
	if (write(gate[1], "", 1) != 1)
		return skip("pipe", errno);
	close(gate[1]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return print_counts(status, ncpus);
}
