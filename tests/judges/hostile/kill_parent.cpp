// expect: runtime_error
#include <csignal>
#include <unistd.h>
int main() { return kill(getppid(), SIGKILL) ? 14 : 0; }
