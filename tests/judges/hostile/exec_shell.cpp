// expect: runtime_error, wrong_output
#include <unistd.h>
int main() { execl("/bin/sh", "sh", "-c", "echo pwned > @HOME@/pwned", (char *)0); return 23; }
