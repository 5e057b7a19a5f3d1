// expect: runtime_error
#include <unistd.h>
int main() { return unlink("@HOME@/precious.txt") ? 10 : 0; }
