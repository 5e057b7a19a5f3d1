// expect: runtime_error
#include <sched.h>
#include <signal.h>
#include <unistd.h>
static char stack[1 << 16];
static int spin(void *) { for (;;) pause(); }
int main() { return clone(spin, stack + sizeof stack, SIGCHLD, 0) < 0 ? 21 : 0; }
