// expect: runtime_error
// Shared memory, mapped a little at a time, and huge pages: no limit of ours would see either.
#include <cstring>
#include <sys/mman.h>
int main() {
  const int kinds[] = {MAP_SHARED | MAP_ANONYMOUS, 3 | MAP_ANONYMOUS, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB};
  for (int flags : kinds)
    if (mmap(0, 32 << 20, PROT_READ | PROT_WRITE, flags, -1, 0) != MAP_FAILED) return 0;
  return 3;
}
