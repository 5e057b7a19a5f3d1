// expect: runtime_error
// Grows the mapping of its own file, which would bring back what was taken out of it.
#include <initializer_list>
#include <sys/mman.h>
static int here() { return 5; }
int main() {
  char *page = (char *)((unsigned long)&here & ~4095UL);
  for (int flags : {0, MREMAP_MAYMOVE, MREMAP_MAYMOVE | MREMAP_FIXED})
    if (mremap(page, 4096, 1 << 20, flags, page + (1 << 30)) != MAP_FAILED) return 0;
  return madvise(page, 4096, 21) ? 7 : 0;
}
