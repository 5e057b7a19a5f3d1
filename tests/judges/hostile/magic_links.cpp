// expect: runtime_error
// Opens for writing what lies behind the links of /proc and among devices.
#include <cstdio>
#include <fcntl.h>
int main() {
  const char *names[] = {"/proc/self/mem", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/exe", "/proc/1/mem", "/dev/tty",
    "/dev/shm/composed-hostile", "/dev/null", "/proc/self/oom_score_adj", "/proc/sys/kernel/core_pattern", "/dev/mem"};
  for (const char *name : names)
    if (open(name, O_RDWR | O_CREAT, 0600) >= 0 || open(name, O_RDONLY) >= 0) { puts("5"); return 0; }
  return 9;
}
