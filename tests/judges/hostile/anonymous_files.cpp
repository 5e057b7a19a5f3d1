// expect: runtime_error
#include <sys/mman.h>
#include <unistd.h>
int main() { static char b[1 << 20]; for (int k = 0; k < 40; k++) { int f = memfd_create("x", 0); if (f < 0) return 6; for (int i = 0; i < 64; i++) write(f, b, sizeof b); } }
