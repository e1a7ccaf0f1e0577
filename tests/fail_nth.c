/* Preloaded into a process: lets the n-th change of a file below a folder fail, or kills the process there.

   Counted are opening for writing, write, truncate, fsync, rename, link and mkdir. `fault_at` is n, from 1; 0 only
   counts. `fault_mode` 0 fails once with EIO; 1 is a disk that is full from then on (renames go on); 2 is SIGKILL. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

long fault_at = 0, fault_count = 0;
int fault_mode = 0;
char fault_root[4096] = "";

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int fails(const char *path, int needs_room) {
  if (!fault_root[0] || strncmp(path, fault_root, strlen(fault_root))) return 0;
  long n = ++fault_count;
  if (!fault_at || n < fault_at) return 0;
  if (fault_mode == 2) kill(getpid(), SIGKILL);
  if (fault_mode == 0 && n > fault_at) return 0;
  if (fault_mode == 1 && !needs_room) return 0;
  errno = fault_mode == 0 ? EIO : ENOSPC;
  return 1;
}

static int fails_fd(int fd, int needs_room) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, path, sizeof path - 1);
  if (size < 0) return 0;
  path[size] = 0;
  return fails(path, needs_room);
}

#define OPEN(name)                                                              \
  int name(const char *path, int flags, ...) {                                  \
    va_list list; va_start(list, flags); mode_t mode = va_arg(list, mode_t); va_end(list); \
    if ((flags & O_ACCMODE) != O_RDONLY && fails(path, flags & O_CREAT)) return -1; \
    return REAL(name)(path, flags, mode);                                       \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                            \
  int name(int at, const char *path, int flags, ...) {                          \
    va_list list; va_start(list, flags); mode_t mode = va_arg(list, mode_t); va_end(list); \
    if ((flags & O_ACCMODE) != O_RDONLY && fails(path, flags & O_CREAT)) return -1; \
    return REAL(name)(at, path, flags, mode);                                   \
  }
OPENAT(openat)
OPENAT(openat64)

ssize_t write(int fd, const void *data, size_t size) { return fails_fd(fd, 1) ? -1 : REAL(write)(fd, data, size); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
  return fails_fd(fd, 1) ? -1 : REAL(pwrite64)(fd, data, size, at);
}
int ftruncate64(int fd, off64_t size) { return fails_fd(fd, 1) ? -1 : REAL(ftruncate64)(fd, size); }
int fsync(int fd) { return fails_fd(fd, 0) ? -1 : REAL(fsync)(fd); }
int rename(const char *a, const char *b) { return fails(b, 0) ? -1 : REAL(rename)(a, b); }
int link(const char *a, const char *b) { return fails(b, 1) ? -1 : REAL(link)(a, b); }
int mkdir(const char *path, mode_t mode) { return fails(path, 1) ? -1 : REAL(mkdir)(path, mode); }
