// expect: memory_limit
#include <sys/mman.h>
#include <unistd.h>
int main() {
  void *p = mmap(0, 400 << 20, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  munmap(p, 400 << 20);
  write(1, "5", 1);
}
