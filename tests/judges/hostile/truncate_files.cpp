// expect: runtime_error
#include <unistd.h>
int main() { return truncate("@HOME@/precious.txt", 0) ? 10 : 0; }
