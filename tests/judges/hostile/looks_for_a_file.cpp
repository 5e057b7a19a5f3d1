// expect: runtime_error
// Whether a file of the user's is there, however it asks: what is there has to look like what is not.
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
static int told(const char *path) {
  struct stat s;
  struct statx x;
  char b[99];
  long got[] = {stat(path, &s), -errno, lstat(path, &s), -errno, access(path, F_OK), -errno, readlink(path, b, 9), -errno,
    open(path, O_RDONLY), -errno, open(path, O_PATH), -errno, open(path, O_WRONLY), -errno, chdir(path), -errno,
    syscall(SYS_newfstatat, AT_FDCWD, path, &s, AT_EMPTY_PATH), -errno, syscall(SYS_statx, AT_FDCWD, path, 0, 4095, &x), -errno,
    syscall(SYS_faccessat, AT_FDCWD, path, 0), -errno, syscall(437, AT_FDCWD, path, b, 24), -errno,
    syscall(439, AT_FDCWD, path, 0, 0), -errno, syscall(SYS_openat, 0, path, O_RDONLY), -errno,
    syscall(SYS_execveat, 64, path, 0, 0, 0), -errno, truncate(path, 0), -errno};
  unsigned sum = 0;
  for (long one : got) sum = sum * 31 + unsigned(one);
  return sum;
}
int main() {
  int root = open("/", O_PATH | O_DIRECTORY);
  struct stat s;
  if (root >= 0 && (!fstatat(root, "etc/passwd", &s, 0) || errno != ENOENT)) return 0;
  if (told("@HOME@/precious.txt") != told("@HOME@/nowhere.txt")) { write(1, "5", 1); return 0; }
  return told("@HOME@/../home/precious.txt") == told("/nowhere") ? 8 : 0;
}
