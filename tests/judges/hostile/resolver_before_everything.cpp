// expect: runtime_error
// The resolver of an indirect function runs before any constructor.
#include <fcntl.h>
#include <unistd.h>
static int five() { return 5; }
extern "C" int (*resolve())() { if (open("@HOME@/precious.txt", O_RDONLY) < 0 && fork() < 0) _exit(8); return five; }
int chosen() __attribute__((ifunc("resolve")));
int main() { write(1, "5", 1); return chosen() - 5; }
