// expect: runtime_error
#include <csignal>
int main() { return kill(0, SIGKILL) && kill(-1, SIGKILL) ? 14 : 0; }
