// expect: runtime_error
#include <sched.h>
int main() { return unshare(CLONE_NEWUSER | CLONE_NEWNS) ? 17 : 0; }
