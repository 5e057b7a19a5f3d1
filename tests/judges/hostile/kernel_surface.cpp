// expect: runtime_error
#include <sys/syscall.h>
#include <unistd.h>
int main() { const int calls[] = {SYS_bpf, SYS_keyctl, SYS_perf_event_open, SYS_userfaultfd, 425}; for (int call : calls) if (syscall(call, 0, 0, 0, 0, 0) >= 0) return 0; return 17; }
