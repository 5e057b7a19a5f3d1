// expect: runtime_error
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
int main() {
    void *low_half_is_zero = mmap((void *)(1ULL << 36), 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    *(rlimit *)low_half_is_zero = {1, 1};
    return prlimit(getppid(), RLIMIT_CPU, (rlimit *)low_half_is_zero, 0) ? 15 : 0;
}
