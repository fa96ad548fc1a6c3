/* SPDX-License-Identifier: MIT */
/*
 * What an IFUNC symbol leads to. Only its resolver knows, and it needs a relocated image: so a
 * child process loads the file and asks the loader, as the target will on the same machine with
 * the same environment.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "image/image.h"

#define TIMEOUT_S 10

static void child(const char *path, const char *name, int report)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct link_map *map, *owner;
	Dl_info info;
	uint64_t vaddr;
	void *lib, *sym;

	for (int fd = 0; null >= 0 && fd < 3; fd++)
		dup2(null, fd);
	alarm(TIMEOUT_S);
	lib = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
	sym = lib ? dlsym(lib, name) : NULL;
	if (!sym || dlinfo(lib, RTLD_DI_LINKMAP, &map))
		_exit(1);
	/* found in this image, not in one it needs */
	if (dladdr1(sym, &info, (void **)&owner, RTLD_DL_LINKMAP) == 0 || owner != map)
		_exit(1);
	vaddr = (uint64_t)sym - map->l_addr;
	_exit(write(report, &vaddr, sizeof(vaddr)) != sizeof(vaddr));
}

int image_ifunc(const struct image *img, const char *name, uint64_t *vaddr)
{
	struct image_range text;
	bool ok = false;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return SONDE_E_NO_SYMBOL;
	pid = fork();
	if (pid == 0)
		child(img->path, name, fds[1]);
	close(fds[1]);
	if (pid > 0) {
		ok = read(fds[0], vaddr, sizeof(*vaddr)) == sizeof(*vaddr);
		waitpid(pid, NULL, 0);
	}
	close(fds[0]);
	return ok && image_text(img, *vaddr, &text) ? 0 : SONDE_E_NO_SYMBOL;
}
