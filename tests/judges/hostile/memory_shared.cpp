// expect: runtime_error
// Memory that is shared is counted by no limit, so there is none.
#include <cstring>
#include <sys/mman.h>
int main() { for (;;) { void *p = mmap(0, 1 << 24, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0); if (p == MAP_FAILED) return 3; memset(p, 1, 1 << 24); } }
