// expect: runtime_error
// Whatever the judge has open, and what lies beyond the program's own input.
#include <unistd.h>
int main() {
  char b[64];
  if (read(0, b, sizeof b) > 0 || pread(0, b, sizeof b, 0) > 0 || lseek(0, 0, SEEK_END) > 0) return 0;
  for (int fd = 3; fd < 5000; fd++)
    if (read(fd, b, 1) >= 0 || lseek(fd, 0, SEEK_CUR) >= 0 || write(fd, b, 1) >= 0 || dup(fd) >= 0) return 0;
  return 24;
}
