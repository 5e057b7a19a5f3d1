// expect: runtime_error
// Two other doors to the kernel: the 32-bit gate, and the numbers of x32.
#include <sys/syscall.h>
#include <unistd.h>
int main() {
  const long numbers[] = {SYS_fork, SYS_socket, SYS_open, SYS_vfork, SYS_execve, SYS_ptrace};
  for (long number : numbers)
    if (syscall(0x40000000L | number, 0, 0, 0, 0, 0) >= 0) return 0;
  long result;
  asm volatile("int $0x80" : "=a"(result) : "a"(2L));
  return result < 0 ? 21 : 0;
}
