// expect: output_limit
#include <csignal>
#include <unistd.h>
int main() { signal(SIGXFSZ, SIG_IGN); static char b[1 << 16]; while (write(1, b, sizeof b) > 0) {} }
