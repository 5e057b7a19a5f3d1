// expect: runtime_error
#include <sys/ptrace.h>
#include <unistd.h>
int main() { return ptrace(PTRACE_ATTACH, getppid(), 0, 0) ? 15 : 0; }
