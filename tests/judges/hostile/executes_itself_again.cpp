// expect: runtime_error
// By the descriptor that it was executed through, by its name, and as another program.
#include <cerrno>
#include <fcntl.h>
#include <initializer_list>
#include <sys/syscall.h>
#include <unistd.h>
int main() {
  char *const none[] = {(char *)"5", 0};
  for (int fd = 0; fd < 128; fd++) syscall(SYS_execveat, fd, "", none, none, AT_EMPTY_PATH);
  dup2(0, 63), dup3(0, 64, 0), syscall(SYS_execveat, 64, "", none, none, AT_EMPTY_PATH);
  char here[4096];
  if (getcwd(here, 4000)) for (const char *name : {"/program", "/unit", "/program.cpp"}) {
    char path[4200] = "";
    __builtin_strcat(__builtin_strcat(path, here), name);
    for (int flags : {0, AT_EMPTY_PATH}) if (syscall(SYS_execveat, 64, path, none, none, flags) != -1 || errno != EPERM) return 0;
  }
  for (const char *name : {"/etc/passwd", "/nowhere", "/lib64/ld-linux-x86-64.so.2"})
    if (syscall(SYS_execveat, AT_FDCWD, name, none, none, 0) != -1 || errno != EPERM) return 0;
  execl("/proc/self/exe", "5", (char *)0), execl("/bin/sh", "sh", "-c", "echo 5", (char *)0);
  return 23;
}
