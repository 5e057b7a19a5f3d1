// expect: runtime_error
// By the descriptor that it was executed through, by its name, and as another program.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>
int main() {
  char *const none[] = {(char *)"5", 0};
  for (int fd = 0; fd < 128; fd++) syscall(SYS_execveat, fd, "", none, none, AT_EMPTY_PATH);
  dup2(0, 63), dup3(0, 64, 0), syscall(SYS_execveat, 64, "", none, none, AT_EMPTY_PATH);
  execl("/proc/self/exe", "5", (char *)0), execl("/bin/sh", "sh", "-c", "echo 5", (char *)0);
  return 23;
}
